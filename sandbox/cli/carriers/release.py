"""`sandbox docker publish`: tags, labels and release notes of an image; pushes when told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import CommandError
from .daemon import connect, explain, make_folder, need_image

REPOSITORY = re.compile(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9]")
MANIFEST = "/opt/sandbox/manifest.json"
KINDS = (("packages", "Python packages"), ("debian", "Debian packages"))


def tags(labels: Mapping[str, str]) -> list[str]:
    """Give the tags of a release: version, version with the date, commit, latest.

    Examples
    --------
    >>> base = "org.opencontainers.image."
    >>> tags({base + "version": "1.2.0", base + "created": "2026-01-31T10:00:00Z",
    ...       base + "revision": "0123456789abcdef"})
    ['1.2.0', '1.2.0-20260131', 'git-0123456789ab', 'latest']
    """
    head = "org.opencontainers.image."
    version = labels.get(f"{head}version", "0")
    day = labels.get(f"{head}created", "")[:10].replace("-", "")
    found = [version]
    if day.isdigit():
        found.append(f"{version}-{day}")
    revision = labels.get(f"{head}revision", "unknown")
    if revision != "unknown":
        commit, dirty, _ = revision.partition("-dirty")
        found.append(f"git-{commit[:12]}{dirty}")
    return [*found, "latest"]


def difference(old: list[dict[str, str]], new: list[dict[str, str]]) -> dict[str, list[str]]:
    """Compare two lists of packages by name.

    Examples
    --------
    >>> difference([{"name": "a", "version": "1"}], [{"name": "a", "version": "2"}])
    {'added': [], 'changed': ['a 1 -> 2'], 'removed': []}
    """
    before = {entry["name"]: entry["version"] for entry in old}
    after = {entry["name"]: entry["version"] for entry in new}
    return {
        "added": [f"{name} {after[name]}" for name in sorted(after.keys() - before.keys())],
        "changed": [
            f"{name} {before[name]} -> {after[name]}"
            for name in sorted(after.keys() & before.keys())
            if before[name] != after[name]
        ],
        "removed": [f"{name} {before[name]}" for name in sorted(before.keys() - after.keys())],
    }


def notes(
    manifest: Mapping[str, Any],
    previous: Mapping[str, Any] | None,
    *,
    title: str,
    reference: str,
    size_bytes: int,
) -> str:
    """Write the release notes in Markdown."""
    lines = [
        f"# {title}",
        "",
        f"- Image: `{reference}`, {size_bytes / 1e9:.2f} GB",
        f"- Debian {manifest['system']}, Python {manifest['python']}, {manifest['architecture']}",
        f"- Built {manifest['created']}",
        "- Data inside: "
        + (", ".join(entry["path"] for entry in manifest["data"]) or "none (mount a folder)"),
        "",
    ]
    for key, words in KINDS:
        if previous is None:
            lines += [f"## {words}: {len(manifest[key])}", ""]
            lines += [f"- {entry['name']} {entry['version']}" for entry in manifest[key]]
            lines.append("")
            continue
        changes = difference(previous[key], manifest[key])
        lines += [f"## {words} since {previous['created'][:10]}", ""]
        if not any(changes.values()):
            lines += ["No changes.", ""]
        for verb, entries in changes.items():
            if entries:
                lines += [f"### {verb.capitalize()}", "", *[f"- {entry}" for entry in entries], ""]
    return "\n".join(lines)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of the release before."""
    try:
        found = json.loads(path.read_text())
        missing = {"created", "packages", "debian"} - found.keys()
    except (OSError, ValueError, AttributeError) as error:
        raise CommandError(f"--previous {path} cannot be read: {error}") from None
    if missing:
        raise CommandError(
            f"--previous {path} is no manifest: {', '.join(sorted(missing))} missing."
        )
    return dict(found)


def image_manifest(client: Any, image: str) -> dict[str, Any]:
    """Read the manifest out of an image."""
    said = client.containers.run(image, ["cat", MANIFEST], remove=True, network_mode="none")
    return dict(json.loads(said))


def publish(
    *, image: str, repository: str, previous: Path | None, output: Path, push: bool
) -> list[str]:
    """Write release notes and manifest, show (and with `push` do) what is published."""
    if not REPOSITORY.fullmatch(repository) or ":" in repository.rpartition("/")[2]:
        raise CommandError(
            f"--repository must be like registry.example.org/team/name; got {repository}."
        )
    before = read_manifest(previous) if previous else None
    client = connect()
    found = need_image(client, image, pull=False)
    manifest = image_manifest(client, image)
    names = [f"{repository}:{tag}" for tag in tags(found.labels)]
    text = notes(
        manifest,
        before,
        title=f"BigDL sandbox {found.labels.get('org.opencontainers.image.version', '')}",
        reference=names[0],
        size_bytes=found.attrs["Size"],
    )
    make_folder(output)
    (output / "release-notes.md").write_text(text)
    (output / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    print(f"{'publishes' if push else 'would publish (dry run; --push does it)'}: {found.id}")
    for label, value in sorted(found.labels.items()):
        print(f"  label {label}={value}")
    for name in names:
        print(f"  tag   {name}")
    if push:
        _push(client, found, names)
    print(f"notes: {output / 'release-notes.md'} ({datetime.now(UTC):%Y-%m-%d})")
    return names


def _push(client: Any, image: Any, names: list[str]) -> None:
    from docker.errors import APIError

    known = set(image.tags)
    for name in names:
        repository, tag = name.rsplit(":", 1)
        image.tag(repository, tag)
        try:
            for line in client.images.push(repository, tag=tag, stream=True, decode=True):
                if "error" in line:
                    raise CommandError(
                        f"{name} was not taken: {line['error']}",
                        f"docker login {repository.partition('/')[0]}   and the right to push?",
                    )
                digest = (line.get("aux") or {}).get("Digest")
                if digest:
                    print(f"  pushed {name} as {digest}: give this digest to those who pin")
        except APIError as error:
            raise CommandError(f"{name} was not pushed: {explain(error)}") from None
        finally:
            if name not in known:
                client.images.remove(name)  # the tag only: it was for the registry
