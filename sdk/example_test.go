// SPDX-License-Identifier: Apache-2.0

package sdk_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"parley.chat/protocol/rest"
	"parley.chat/sdk"
	"parley.chat/sdk/sdktest"
)

// A client registers, opens a conversation, sends a text and reads it back from the stream of updates.
func Example() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := sdktest.NewOn(l)
	defer server.Stop()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	client, err := sdk.New(sdk.Options{BaseURL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := client.Register(ctx, rest.Register{Username: "alice", Password: "correct horse"}); err != nil {
		log.Fatal(err)
	}
	conversation, err := client.CreateDirect(ctx, "bob@x")
	if err != nil {
		log.Fatal(err)
	}
	go func() { _ = client.Run(ctx) }()

	ack, err := client.SendText(ctx, conversation.ConversationID, "hello, Bob")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sent as number", ack.Seq)
	for u := range client.Events() {
		if m, ok := u.(sdk.Message); ok {
			fmt.Println(m.SenderID, "wrote", m.Content)
			return
		}
	}
	// Output:
	// sent as number 1
	// alice@x wrote hello, Bob
}
