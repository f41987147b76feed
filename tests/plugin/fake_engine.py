"""An engine that behaves as FAKE_ENGINE says: well, or in one of the ways engines go wrong.

It speaks the protocol of `bluepeace` by the standard library alone, so that the plugin's side can be
tested without the library. Run as `fake_engine.py handshake` or `fake_engine.py COMMAND ... --out=FILE`.
"""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

PROTOCOLS = {"too new": "2.0", "a minor ahead": "1.7"}
NUMBERS = {
    "basins": {"basins": 3, "area_km2": 12.5},
    "shares": {"zones": 2, "area_km2": 7.5},
    "scenes": {"scenes": 4, "broken": 1, "unchanged": 0, "landsat-9": 4},
    "glaciers": {"glaciers": 3, "area_km2": 12.5, "area_unc_km2": 0.5, "unseen_km2": 0, "threshold": 0.06},
    "glacier-change": {"glaciers": 2, "loss": 1, "gain": 0},
    "irrigation": {"irrigated, ha": 12.5, "not observed, %": 16.5},
    "irrigation-change": {"years": 2, "change, ha": 10.5},
    "sample-points": {"points": 60, "suggested_points": 900},
    "season": {"scenes": 4, "left_out": 1, "tiles": 2, "seen_pct": 97.5},
}


def say(**line):
    print(json.dumps(line), flush=True)


def record(words):
    """Keep what a test wants to see of this start, copies of its inputs too: temporary ones vanish."""
    place = os.environ.get("FAKE_ENGINE_RECORD")
    if place:
        told = {"words": words, "environment": dict(os.environ), "process": os.getpid()}
        with Path(place).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told) + "\n")
    copies = os.environ.get("FAKE_ENGINE_COPIES")
    if copies:
        for word in words[1:]:
            if Path(word).is_file():
                shutil.copy(word, copies)


def write_product(path, *, complete=True):
    """Leave what the real command leaves: a working folder, then the product."""
    work = path.parent / f".{path.stem}.work"
    work.mkdir(parents=True, exist_ok=True)
    (work / path.name).write_text("half a product", encoding="utf-8")
    if complete:
        ready = os.environ.get("FAKE_ENGINE_PRODUCT")  # a real layer or table where QGIS will load it
        if ready:
            shutil.copy(ready, work / path.name)
        (work / path.name).replace(path)
        work.rmdir()


def end_with_stdin():
    # not sys.stdin: its lock, held by this thread, aborts the interpreter at its end
    while os.read(0, 1024):
        pass
    place = os.environ.get("FAKE_ENGINE_RECORD")
    if place:
        Path(place).with_suffix(".ended").write_text("with its stdin", encoding="utf-8")
    os._exit(3)


# Moods: each does its deed; one that returns a number ends with it


def garbage(_):
    sys.stdout.buffer.write(b"\xff\xfe\x00 not utf-8\n{broken json\n[1, 2]\nnull\n\n" + b"noise\n" * 5000)
    sys.stdout.flush()


def line_without_end(_):
    while True:
        sys.stdout.buffer.write(b"x" * 65536)


def silent(_):
    return 0


def crash(out):
    write_product(out, complete=False)
    print("Fatal Python error: the last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def fault(_):
    print("Traceback: ours to mend", file=sys.stderr)
    return 1


def explained_fault(_):
    print("Traceback: ours to mend", file=sys.stderr)
    say(error="A fault of bluepeace-gis itself. Please report it.")
    return 1


def mendable(_):
    say(error="outlets: 3 points lie outside the DEM “å” <b>; expected inside. Move them.")
    return 2


def flood(_):
    for _ in range(400):
        sys.stderr.buffer.write(b"warning: again and again\n" * 4000)  # 40 MB in all


def slow(out):
    write_product(out, complete=False)
    if sys.argv[1] == "season":
        write_product(out / "made.tif", complete=False)
    for word in sys.argv:
        if word.startswith("--rasters="):
            folder = Path(word.partition("=")[2])
            write_product(folder / "an older one.tif")
            write_product(folder / "directions.tif", complete=False)
    for step in range(600):
        say(done=0.1 + step / 1000, message=f"step {step}")
        time.sleep(0.1)


def lies(out):
    say(result={"outputs": {"out": str(out)}, "numbers": {}})
    return 0


def crash_after_the_result(out):
    write_product(out)
    say(result={"outputs": {"out": str(out)}, "numbers": NUMBERS[sys.argv[1]]})
    return 139


def good(out):
    say(warning="Outlet 2 was moved by 120 m.")
    outputs = FOLDERS.get(sys.argv[1], write_file)(out)
    say(done=1.0, message="wrote")
    sentences = ["Of 4 scenes 1 is left out."]
    say(result={"outputs": outputs, "numbers": NUMBERS[sys.argv[1]], "sentences": sentences})
    return 0


def write_file(out):
    write_product(out)
    return {"out": str(out)}


def write_map(folder):
    """Leave the map of a year, as an engine that has a real one at hand."""
    ready = Path(os.environ["FAKE_ENGINE_PRODUCT"])
    shutil.copytree(ready, folder, dirs_exist_ok=True)
    year = next(word for word in sys.argv if word.startswith("--year=")).partition("=")[2]
    return {"out": str(folder / f"irrigation_{year}.tif"), "zones": str(folder / "zones.csv")}


def write_change(folder):
    shutil.copytree(os.environ["FAKE_ENGINE_PRODUCT"], folder, dirs_exist_ok=True)
    names = ("change.tif", "frequency.tif", "change.gpkg", "annual.csv", "transitions.csv")
    return {"out": str(folder)} | {name.replace(".", "_"): str(folder / name) for name in names}


def write_composites(folder):
    """Leave a raster with a style and a companion without, but for a dry run nothing."""
    if "--dry-run" in sys.argv:
        return {}
    for name in ("made.tif", "made_count.tif"):
        write_product(folder / name)
    (folder / "made.png").write_text("a picture", encoding="utf-8")
    (folder / "made.qml").write_text("<qgis/>", encoding="utf-8")
    ready = {"lattice": "made.tif", "lattice_picture": "made.png", "lattice_count": "made_count.tif"}
    return {name: str(folder / file) for name, file in ready.items()}


FOLDERS = {"season": write_composites, "irrigation": write_map, "irrigation-change": write_change}
MOODS = {
    "garbage": garbage,
    "a line without end": line_without_end,
    "silent": silent,
    "crash": crash,
    "fault": fault,
    "explained fault": explained_fault,
    "mendable": mendable,
    "flood": flood,
    "slow": slow,
    "deaf": slow,  # and does not hear that its stdin is closed
    "lies": lies,
    "crash after the result": crash_after_the_result,
}


def handshake(mood):
    if mood == "mute":
        time.sleep(60)
    if mood == "no engine":
        print("usage: something else entirely")
        return 64
    say(version="0.1.0", protocol=PROTOCOLS.get(mood, "1.0"), gdal="3.9.0", proj="9.4.0")
    return 0


def main(words):
    mood = os.environ.get("FAKE_ENGINE", "good")
    record(words)
    if words[0] == "handshake":
        return handshake(mood)
    if "--end-with-stdin" in words and mood != "deaf":
        threading.Thread(target=end_with_stdin, daemon=True).start()
    out = Path(next(word for word in words if word.startswith("--out=")).partition("=")[2])
    say(done=0.1, message="reading")
    ended = MOODS.get(mood, good)(out)
    return good(out) if ended is None else ended


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
