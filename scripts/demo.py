"""Answer questions on the sample, from the files to the pictures, and say in words what came out.

    python3 scripts/demo.py

It makes ``.venv`` when needed, runs ``bluepeace basins``, ``scenes``, ``season``, ``irrigation``,
``irrigation-change``, ``glaciers`` and ``glacier-change`` on ``data/sample`` and leaves all in ``demo``.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # the person's Python may well be older: say it in words
    sys.exit(
        "bluepeace_gis needs Python 3.11 or newer, and this is Python %d.%d: start again with a newer one, "  # noqa: UP031
        "for example `python3.11 scripts/demo.py`." % sys.version_info[:2]
    )

import contextlib
import json
import os
import shlex
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _environment import ROOT, Missing, child_environment, elapsed, end, make_ready, say, tool

SAMPLE = ROOT / "data" / "sample"
DEMO = ROOT / "demo"
YEARS = (2015, 2024)


def main(arguments: Sequence[str]) -> int:
    """Make the environment, run the command, tell its answer."""
    if arguments:
        print(__doc__)
        return 0 if set(arguments) & {"-h", "--help"} else 2
    make_ready()
    DEMO.mkdir(exist_ok=True)
    made = basins() | season() | irrigation() | glaciers()
    print("\nWhere it lies (layers, tables and rasters open in QGIS, styled):")
    width = max(map(len, made)) + 2
    for name, path in made.items():
        print(f"  {name:<{width}}{_short(path)}")
    print(f"\nThe demo took {elapsed()} (minutes:seconds).")
    return 0


def basins() -> dict[str, str]:
    """Ask whose land drains to the gauges; return what was written."""
    product = DEMO / "basins.gpkg"
    question = [
        *("basins", f"{SAMPLE / 'dem.tif'}", f"{SAMPLE / 'outlets.gpkg'}"),
        *("--countries", f"{SAMPLE / 'countries.gpkg'}", "--country-field", "name"),
        *("--terminal", f"{SAMPLE / 'terminal_lakes.gpkg'}", "--area-field", "known_km2"),
        *("--out", f"{product}"),
    ]
    say(f"bluepeace {shlex.join(map(_short, question))}")
    outputs = bluepeace(question)
    say("What came out")
    # A GeoPackage is an SQLite database: its tables need no GIS.
    with contextlib.closing(sqlite3.connect(product.as_uri() + "?mode=ro", uri=True)) as answers:
        answers.execute("ATTACH ? AS sample", [str(SAMPLE / "outlets.gpkg")])
        print(basins_in_words(answers))
    return {"basins" if name == "out" else name: path for name, path in outputs.items()}


def season() -> dict[str, str]:
    """List the sample's archive and ask how green the fields became in a season; return what was written."""
    index, fields = DEMO / "scenes.gpkg", SAMPLE / "fields.gpkg"
    listing = ["scenes", f"{SAMPLE / 'archive'}", "--out", f"{index}"]
    question = [
        *("season", f"{index}", "--from", "2024-04-01", "--to", "2024-10-31", "--statistic", "max"),
        *("--area", f"{fields}", "--out", f"{DEMO / 'season_2024'}"),
    ]
    say(f"bluepeace {shlex.join(map(_short, listing))}")
    listed = bluepeace(listing)
    say(f"bluepeace {shlex.join(map(_short, question))}")
    outputs = bluepeace(question)
    say("What came out")
    with contextlib.closing(sqlite3.connect(index.as_uri() + "?mode=ro", uri=True)) as scenes:
        for family, count, first, last in scenes.execute(
            "SELECT family, count(*), min(date(time)), max(date(time)) FROM scenes GROUP BY family"
        ):
            print(f"  {count} scenes of {family} in the archive, {first} to {last}.")
    for name, path in outputs.items():
        if name.endswith("m"):  # the composite itself, named by its lattice
            record = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
            print(f"  {season_in_words(record)}")
    pictures = {name: path for name, path in outputs.items() if name.endswith(("m", "_picture"))}
    return {"scenes": listed["out"], "scenes picture": listed["picture"]} | pictures


def irrigation() -> dict[str, str]:
    """Map the irrigated land of two years, and ask what changed between them; return what was written."""
    index, fields = DEMO / "scenes.gpkg", SAMPLE / "fields.gpkg"
    zones = ["--zones", f"{fields}", "--zone-field", "country"]
    made, maps = {}, []
    for year in YEARS:
        outputs = told_and_done(
            [
                *("irrigation", f"{index}", "--year", f"{year}", "--dem", f"{SAMPLE / 'dem.tif'}"),
                *("--parcels", f"{fields}", *zones, "--out", f"{DEMO / f'irrigation_{year}'}"),
            ]
        )
        maps.append(outputs["out"])
        made |= {f"irrigation {year}": outputs["out"], f"irrigation {year} picture": outputs["picture"]}
    changed = told_and_done(["irrigation-change", *maps, *zones, "--out", f"{DEMO / 'irrigation_change'}"])
    return made | {"irrigation change": changed["out"], "irrigation change picture": changed["change_png"]}


def glaciers() -> dict[str, str]:
    """Outline the glaciers of two summers, and ask what changed between them; return what was written."""
    made, outlines = {}, []
    zones = ["--zones", f"{SAMPLE / 'countries.gpkg'}", "--zone-field", "name"]
    for year in YEARS:
        summer = sorted((SAMPLE / "archive").glob(f"*_{year}0[89]*"))
        outputs = told_and_done(
            [
                *("glaciers", *map(str, summer), "--dem", f"{SAMPLE / 'dem.tif'}", *zones),
                *("--out", f"{DEMO / f'glaciers_{year}.gpkg'}"),
            ]
        )
        outlines.append(outputs["out"])
        made |= {f"glaciers {year}": outputs["out"], f"glaciers {year} picture": outputs["picture"]}
    changed = told_and_done(["glacier-change", *outlines, *zones, "--out", f"{DEMO / 'glacier_change.gpkg'}"])
    return made | {"glacier change": changed["out"], "glacier change picture": changed["picture"]}


def told_and_done(question: Sequence[str]) -> dict[str, str]:
    """Show a command as a person would write it, run it, and say its sentences; return what was written."""
    say(f"bluepeace {shlex.join(map(_short, question))}")
    sentences: list[str] = []
    outputs = bluepeace(question, sentences)
    say("What came out")
    for sentence in sentences:
        print(f"  {sentence}")
    return outputs


def season_in_words(record: dict[str, Any]) -> str:
    """Say what a composite is made of and how much of it was seen."""
    counted = record["properties"]["bluepeace:method"]
    scenes = sum(link["rel"] == "derived_from" for link in record["links"]) - 1  # and the fields
    seen, noun = counted["cells_seen"], "scene" if scenes == 1 else "scenes"
    return (
        f"{record['properties']['title']}: {scenes} {noun}, {100 * seen / counted['cells_covered']:.1f} % of "
        f"what they cover was seen, {counted['observations'] / max(seen, 1):.1f} times on average."
    )


def bluepeace(arguments: Sequence[str], sentences: list[str] | None = None) -> dict[str, str]:
    """Run a command of the project and pass its progress on.

    Parameters
    ----------
    arguments
        The command and its options.
    sentences
        Receives what the command says of its answer.

    Returns
    -------
    the paths it wrote, by name
    """
    command = [str(tool("bluepeace")), *arguments, "--progress", "json"]
    result: dict[str, str] | None = None
    told = ""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        for line in process.stdout:
            report = json.loads(line)
            if "error" in report:
                raise Missing(f"The command could not answer: {report['error']}")
            if "warning" in report:
                say(f"  note: {report['warning']}")
            if report.get("message", told) != told:
                told = report["message"]
                say(f"  {report['done']:>4.0%}  {told}")
            answer = report.get("result", {})
            result = answer.get("outputs", result)
            if sentences is not None:
                sentences += answer.get("sentences", [])
    if process.returncode != 0 or result is None:
        sys.exit(  # with 1: the fault is ours
            f"`bluepeace {arguments[0]}` ended with exit code {process.returncode} and without an answer: "
            "please report what it wrote above."
        )
    return result


def basins_in_words(answers: sqlite3.Connection) -> str:
    """Areas of the basins and of the countries in them, a sentence a basin."""
    shares: dict[int, list[str]] = {}
    for outlet, country, area_km2, share_pct in answers.execute(
        "SELECT outlet_id, country, area_km2, share_pct FROM shares WHERE share_pct >= 0.05 "
        "ORDER BY outlet_id, area_km2 DESC"  # less would be printed as 0.0
    ):
        shares.setdefault(outlet, []).append(f"{share_pct:.1f} % in {country} ({area_km2:.1f} km2)")
    return "\n".join(
        f"  {name} drains {area_km2:.1f} km2 (known: {known_km2:.1f}): {', '.join(shares[outlet])}."
        for outlet, name, area_km2, known_km2 in answers.execute(
            "SELECT b.outlet_id, b.name, b.area_km2, o.known_km2 FROM basins AS b "
            "JOIN sample.outlets AS o USING (name) ORDER BY b.outlet_id"
        )
    )


def _short(word: str) -> str:
    """Return ``word`` with paths as seen from the project's folder."""
    return word.removeprefix(f"{ROOT}{os.sep}")


if __name__ == "__main__":
    end(main)
