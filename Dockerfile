# The homeserver as an image: one static program, no shell, not root. It needs a PostgreSQL of its own (PARLEY_DATABASE_DSN).
#   docker build -t parley --build-arg VERSION=1.0.0 .
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags="-s -w -X parley.chat/server/homeserver.Version=${VERSION}" -o /out/parley ./server
# An empty volume takes the owner of the folder that it is mounted at.
RUN mkdir -p /out/data /out/tls

FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/parley /parley
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build --chown=65532:65532 /out/tls /tls
USER 65532:65532
ENV PARLEY_DATA_DIR=/data PARLEY_LISTEN=:8080
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s CMD ["/parley", "ready"]
ENTRYPOINT ["/parley"]
CMD ["serve"]
