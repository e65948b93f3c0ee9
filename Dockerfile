# CPU only. docker build -t mickey-hloc . ; then README's two commands:
#   docker run mickey-hloc              make demo
#   docker run mickey-hloc make test    (downloads what the tests need)
FROM python:3.11-slim
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends make git && rm -rf /var/lib/apt/lists/*
WORKDIR /mickey_hloc
COPY . .
ENV PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
RUN make .venv/installed
ENV PATH=/mickey_hloc/.venv/bin:$PATH
CMD ["make", "demo"]
