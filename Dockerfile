# The service: worker, history and the other long-running processes, as one image.
#   docker build -t headrace . && docker run -v ./config:/srv/headrace/config headrace worker
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --system --uid 10001 --home-dir /srv/headrace --shell /usr/sbin/nologin headrace
WORKDIR /srv/headrace

# The packages first: they change less often than the code.
COPY pyproject.toml README.md LICENSE ./
RUN mkdir headrace && touch headrace/__init__.py && pip install -e '.[service]'

COPY headrace headrace
COPY tables tables
COPY agents agents
COPY app app
COPY config config

# What every start would compile anew: a container's own files cannot be written.
RUN python -m compileall -q headrace tables agents app

# State belongs to one worker and outlives its container: mount a volume here.
RUN mkdir -p data/state && chown -R headrace:headrace data
VOLUME /srv/headrace/data
USER headrace

# SIGTERM drains and commits; give it the time: `docker stop --time 30`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["headrace"]
CMD ["worker"]
