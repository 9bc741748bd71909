# docker build -t conceal .
# docker run --rm -u "$(id -u):$(id -g)" -v "$PWD:/data" conceal in.mp4 out.mp4
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN sh docker/steps.sh build /wheels

FROM python:3.12-slim
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    --mount=type=bind,from=build,source=/source/docker,target=/docker \
    sh /docker/steps.sh install /wheels && useradd --uid 10001 --create-home conceal
USER conceal
WORKDIR /data
HEALTHCHECK --interval=60s --timeout=20s CMD ["conceal", "--version"]
ENTRYPOINT ["conceal"]
CMD ["--help"]
