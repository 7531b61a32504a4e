# The image of the catalog's Steps.
#   docker build --target streamgauge -t REGISTRY/streamgauge:0.1.0 .
#   docker build --target streamgauge-java -t REGISTRY/streamgauge-java:0.1.0 .      with a Java runtime, for deploy-heron-app
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock rust-toolchain.toml ./
COPY src src
COPY metrics metrics
RUN cargo build --release --locked --bins

FROM debian:bookworm-slim AS streamgauge
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/deploy-heron-app /src/target/release/delete-heron-app \
     /src/target/release/deploy-dataloader /src/target/release/get-prometheus-metric \
     /src/target/release/send-slack /usr/local/bin/
USER 65532:65532

FROM streamgauge AS streamgauge-java
USER root
RUN apt-get update && apt-get install -y --no-install-recommends openjdk-17-jre-headless && rm -rf /var/lib/apt/lists/*
USER 65532:65532
