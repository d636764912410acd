# pixelmill with its pinned dependencies; docs/containers.md shows how to build and use it.
FROM python:3.13-slim

WORKDIR /opt/pixelmill
COPY envs/requirements.lock envs/requirements.lock
RUN pip install --no-cache-dir --require-hashes --requirement envs/requirements.lock
COPY pyproject.toml README.md LICENSE Snakefile config.yaml ./
COPY workflow workflow
COPY profiles profiles
COPY envs/environment.yaml envs/environment.yaml
COPY scripts scripts
RUN pip install --no-cache-dir --no-deps .

# Snakemake keeps a cache in the home folder, which a user given by --user may not have.
ENV HOME=/tmp
USER nobody
WORKDIR /data
ENTRYPOINT ["pixelmill"]
CMD ["--help"]
