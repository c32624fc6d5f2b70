// SPDX-License-Identifier: Apache-2.0

package rest

// Register is the body of POST /api/v1/register.
type Register struct {
	Username          string `json:"username"` // 1 to 64 of a-z 0-9 . _ -, lower-cased by the server
	Password          string `json:"password"` // 8 to 256 bytes
	DisplayName       string `json:"displayName,omitempty"`
	DeviceName        string `json:"deviceName,omitempty"`
	PhoneNumber       string `json:"phoneNumber,omitempty"` // E.164
	RegistrationToken string `json:"registrationToken,omitempty"`
}

// Login is the body of POST /api/v1/login. A known DeviceID keeps that device; its old tokens end.
type Login struct {
	Username   string `json:"username"` // or the full user id
	Password   string `json:"password"`
	DeviceID   string `json:"deviceId,omitempty"`
	DeviceName string `json:"deviceName,omitempty"`
}

// Refresh is the body of POST /api/v1/refresh.
type Refresh struct {
	RefreshToken string `json:"refreshToken"`
}

// Session is the answer of register (201), login and refresh (200).
type Session struct {
	UserID       string `json:"userId"`
	DeviceID     string `json:"deviceId"`
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken"`
	ExpiresIn    int    `json:"expiresIn"` // seconds the access token lives
}

// Device is one item of GET /api/v1/devices; DELETE /api/v1/devices/{deviceId} answers 204.
type Device struct {
	DeviceID   string `json:"deviceId"`
	DeviceName string `json:"deviceName,omitempty"`
	CreatedAt  int64  `json:"createdAt"`
	LastSeenAt int64  `json:"lastSeenAt"` // coarse: steps of a minute at least
	IsCurrent  bool   `json:"isCurrent"`
}

// Devices is the answer of GET /api/v1/devices.
type Devices struct {
	Devices []Device `json:"devices"`
}

// ChangePassword is the body of POST /api/v1/users/me/password (204). Other devices are logged out unless KeepDevices.
type ChangePassword struct {
	CurrentPassword string `json:"currentPassword"`
	NewPassword     string `json:"newPassword"`
	KeepDevices     bool   `json:"keepDevices,omitempty"`
}

// Deactivate is the body of POST /api/v1/users/me/deactivate (204).
type Deactivate struct {
	Password string `json:"password"`
}

// Profile is the answer of GET and PUT /api/v1/users/me, and of GET /api/v1/users/{userId} without PhoneNumber.
type Profile struct {
	UserID      string `json:"userId"`
	DisplayName string `json:"displayName"`
	AvatarURL   string `json:"avatarUrl,omitempty"`
	PhoneNumber string `json:"phoneNumber,omitempty"`
	CreatedAt   int64  `json:"createdAt,omitempty"`
}

// EditProfile is the body of PUT /api/v1/users/me; an absent field is left as it is, an empty string clears it.
type EditProfile struct {
	DisplayName *string `json:"displayName,omitempty"`
	AvatarURL   *string `json:"avatarUrl,omitempty"`
	PhoneNumber *string `json:"phoneNumber,omitempty"`
}

// Ticket is the answer of POST /api/v1/ws/ticket: single use, 30 seconds, bound to the device and the Origin header.
type Ticket struct {
	Ticket    string `json:"ticket"`
	ExpiresIn int    `json:"expiresIn"`
}
