# The images of the catalog's Steps; README.md, "Image".
#   docker build --target streamgauge -t REGISTRY/streamgauge:0.1.0 .
#   docker build --target streamgauge-java -t REGISTRY/streamgauge-java:0.1.0 .      with a Java runtime, for deploy-heron-app
# What is in them is made by hack/image, which also reads USER, ENV and LABEL from here for its own archives.
ARG VERSION=0.1.0

FROM rust:1.95-bookworm AS programs
WORKDIR /src
COPY . .
RUN hack/image --rootfs /rootfs streamgauge

FROM debian:bookworm-slim AS java
WORKDIR /src
COPY hack hack
RUN hack/image --rootfs /rootfs java

FROM scratch AS streamgauge
ARG VERSION
COPY --from=programs /rootfs/streamgauge/ /
ENV PATH=/usr/local/bin
# OpenSSL, built into librdkafka, would look for authorities in /usr/local/ssl.
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532
LABEL org.opencontainers.image.title="streamgauge"
LABEL org.opencontainers.image.description="Performance tests of streaming applications: the programs of the catalog's Steps"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="$VERSION"

FROM streamgauge AS streamgauge-java
COPY --from=java /rootfs/java/ /
ENV JAVA_HOME=/usr/lib/jvm/java-17
ENV LANG=C.UTF-8
LABEL org.opencontainers.image.title="streamgauge-java"
LABEL org.opencontainers.image.description="Performance tests of streaming applications: the programs of the catalog's Steps, with a Java 17 runtime"
LABEL org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-only WITH Classpath-exception-2.0"
