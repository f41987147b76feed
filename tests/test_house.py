"""The rules of the house: who may import whom, what a wheel holds, what stands in the repository."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import bluepeace_gis

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bluepeace_gis"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# From the ground up; rooms on one floor do not know each other.
FLOORS = [
    {"errors"},
    {"disk"},
    {"kernels"},
    {"geo"},
    {"analyses", "archive", "jobs", "maps"},
    {"workflows"},
    {"cli"},
    {"__main__"},
]
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}

MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
PLUGIN = sorted((ROOT / "qgis_plugin").rglob("*.py"))


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """Absolute names of all modules a file imports, wherever in the file; relative ones begin with a dot."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from bluepeace_gis import archive` imports bluepeace_gis.archive
            yield from (
                f"{module}.{alias.name}" if module == "bluepeace_gis" else module for alias in node.names
            )


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


# --- imports ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_downwards(path):
    room = room_of(path)
    if room == "__init__":
        assert [*imports(path)] == [], (
            "bluepeace_gis/__init__.py imports nothing, so that the command starts at once"
        )
        return
    assert room in HEIGHT, f"DESIGN knows no room {room!r}"
    for module in imports(path):
        assert not module.startswith("."), (
            f"{module}: imports are absolute, so that the floors can be read off"
        )
        top, *inner = module.split(".")
        if top == "bluepeace_gis" and inner and inner[0] not in (room, "__version__"):
            assert inner[0] in HEIGHT, f"{module} is in no room of DESIGN"
            assert HEIGHT[inner[0]] < HEIGHT[room], f"{room} may not know {inner[0]}"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) == "analyses"], ids=name_of)
def test_one_analysis_does_not_know_another(path):
    inside = path.relative_to(PACKAGE / "analyses").with_suffix("").parts
    for module in imports(path):
        if module.startswith("bluepeace_gis.analyses"):
            assert module.split(".")[2:3] == [inside[0]], f"{module}: a question is a package of its own"


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(path) == "kernels"], ids=name_of)
def test_kernels_know_numpy_and_numba_only(path):
    tops = {module.split(".")[0] for module in imports(path)} - set(sys.stdlib_module_names)
    assert tops <= {"numpy", "numba", "bluepeace_gis"}


@pytest.mark.parametrize("path", PLUGIN, ids=name_of)
def test_plugin_knows_the_standard_library_and_pyqgis_only(path):
    tops = {module.split(".")[0] for module in imports(path) if not module.startswith(".")}
    assert tops - set(sys.stdlib_module_names) <= {"qgis", "processing"}


@pytest.mark.parametrize("name", ["demo.py", "test.py", "_environment.py"])
def test_scripts_that_make_the_environment_need_nothing_installed(name):
    tops = {module.split(".")[0] for module in imports(ROOT / "scripts" / name)}
    assert tops - set(sys.stdlib_module_names) <= {"_environment"}


@pytest.mark.parametrize("name", ["demo.py", "test.py"])
def test_an_older_python_can_read_the_sentence_that_refuses_it(name):
    # Red Hat 8 still says python3 to 3.6: a SyntaxError there would hide the sentence.
    ast.parse((ROOT / "scripts" / name).read_text(encoding="utf-8"), feature_version=(3, 6))


def test_sample_is_made_without_the_algorithms_it_tests():
    modules = imports(ROOT / "scripts" / "make_sample.py")
    assert [module for module in modules if module.startswith("bluepeace_gis")] == []


HEAVY = {
    "dask", "exactextract", "geopandas", "matplotlib", "numba", "numpy", "pandas", "pyogrio", "pyproj",
    "pystac", "rasterio", "rioxarray", "scipy", "shapely", "xarray",
}  # fmt: skip


@pytest.mark.parametrize(
    "start", [["-c", "import bluepeace_gis"], ["-m", "bluepeace_gis", "--help"]], ids=["import", "help"]
)
def test_starts_without_heavy_imports(start):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *start],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "bluepeace_gis" in imported  # else the list was read wrongly
    assert {module.split(".")[0] for module in imported} & HEAVY == set()


# --- docstrings ------------------------------------------------------------------------------------------

ERRORS = {
    node.name
    for node in ast.parse((PACKAGE / "errors.py").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef)
}


def public_functions():
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                yield pytest.param(path, node, id=f"{name_of(path)}:{node.name}")


def public_methods(class_node):
    for node in class_node.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def public_classes_and_methods():
    for path in MODULES:
        classes = [
            node
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.ClassDef)
        ]
        protocols = [node for node in classes if "Protocol" in map(ast.unparse, node.bases)]
        # What a protocol says of a method holds for every class that follows it.
        said = {
            method.name for node in protocols for method in public_methods(node) if ast.get_docstring(method)
        }
        for node in classes:
            if node.name.startswith("_"):
                continue
            yield pytest.param(node, id=f"{name_of(path)}:{node.name}")
            for method in public_methods(node):
                if node in protocols or method.name not in said:
                    yield pytest.param(method, id=f"{name_of(path)}:{node.name}.{method.name}")


def raised_here(function):
    """Names of our errors that a function raises itself."""
    for node in ast.walk(function):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            name = getattr(node.exc.func, "id", getattr(node.exc.func, "attr", ""))
            if name in ERRORS:
                yield name


def gives_something(function):
    returns = function.returns
    nothing = isinstance(returns, ast.Constant) and returns.value is None
    return returns is not None and not nothing and ast.unparse(returns) not in {"NoReturn", "Never"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_say_what_they_are_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("node", [*public_classes_and_methods()])
def test_public_classes_and_methods_have_a_docstring(node):
    assert ast.get_docstring(node)


def is_compiled(function):
    return any(ast.unparse(decorator).startswith("njit") for decorator in function.decorator_list)


@pytest.mark.parametrize(("path", "function"), [*public_functions()])
def test_public_functions_say_what_goes_in_what_comes_out_and_what_fails(path, function):
    room = room_of(path)
    text = ast.get_docstring(function)
    assert text, "no docstring"
    is_command = room in {
        "cli",
        "workflows",
    }  # its docstring is the help: no errors by name, files as the answer
    for error in raised_here(function):
        assert is_command or re.search(rf"\b{error}\b", text), (
            f"the docstring does not name the error {error}"
        )
    if "\n" not in text:  # one sentence, and the types in the signature
        return
    if room == "kernels" and not is_compiled(
        function
    ):  # it hands the kernels' own classes on, which say it all
        return
    arguments = function.args
    for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
        named = re.search(rf"\b{argument.arg}\b", text)
        assert named, f"the docstring does not name the parameter {argument.arg}"
    if gives_something(function) and not is_command:
        said = re.search(r"^ *(Returns|Yields)\n *-+$|\b[Rr]eturns?\b", text, re.MULTILINE)
        assert said, "the docstring does not say what is returned"


# --- what is handed out ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    papers = f"bluepeace_gis-{bluepeace_gis.__version__}.dist-info/"
    strangers = {name for name in names if not name.startswith(("bluepeace_gis/", papers))}
    assert strangers == set()
    assert {name_of(path) for path in MODULES} <= names
    assert {"bluepeace_gis/py.typed", papers + "licenses/LICENSE", papers + "entry_points.txt"} <= names


def test_wheel_asks_for_no_oracle(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode("utf-8")
    for oracle in ("pyflwdir", "whitebox", "odc-stac", "stactools", "pytest", "hypothesis"):
        assert oracle not in re.findall(r"^Requires-Dist: ([\w-]+)", text, re.MULTILINE)


# --- what stands in the repository -----------------------------------------------------------------------

TOP = {
    ".ci", ".editorconfig", ".gitattributes", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md",
    "bluepeace_gis", "data", "pyproject.toml", "qgis_plugin", "scripts", "tests",
}  # fmt: skip
LARGEST_BYTES = 3_000_000
# Folders of a person's own: never in a file that others get. Forward or backward slashes, drive or none.
SOMEBODYS_FOLDER = re.compile(rb"(?:/home|/Users|[A-Za-z]:[\\/]+Users)[\\/]+[A-Za-z0-9_.-]+[\\/]")


@pytest.fixture(scope="module")
def repository():
    """Files that are tracked, or would be by `git add`."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so nothing tells the project's files from others")
    # A hook of git runs with GIT_DIR set; a checkout of another owner is a checkout all the same.
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listing = subprocess.run(
        [git, "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        env=own,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listing.stdout.split("\0") if name]
    assert ROOT / "pyproject.toml" in paths
    return [path for path in paths if path.is_file()]  # one may be deleted and not yet committed


def test_top_level_is_the_one_of_the_design(repository):
    assert {path.relative_to(ROOT).parts[0] for path in repository} == TOP


def test_rooms_are_those_of_the_design(repository):
    parts = [path.relative_to(PACKAGE).parts for path in repository if path.is_relative_to(PACKAGE)]
    rooms = {first.removesuffix(".py") for first, *_ in parts}
    assert rooms <= {*HEIGHT, "__init__", "py.typed"}


def test_tests_mirror_the_floors(repository):
    tests = ROOT / "tests"
    folders = {path.relative_to(tests).parts[0] for path in repository if path.is_relative_to(tests)}
    folders = {folder for folder in folders if (tests / folder).is_dir()}
    assert folders <= {*HEIGHT, "published", "plugin", "sample", "scripts"}


def test_files_are_small(repository):
    sizes = {name_of(path): path.stat().st_size for path in repository}
    assert {name: size for name, size in sizes.items() if size > LARGEST_BYTES} == {}


def test_no_file_names_a_place_of_one_machine(repository):
    here = [str(ROOT).encode(), str(ROOT.parent / "shared").encode()]
    found = {}
    for path in repository:
        content = path.read_bytes()
        places = [place for place in here if place in content] + SOMEBODYS_FOLDER.findall(content)
        if places:
            found[name_of(path)] = places
    assert found == {}


def test_licences():
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    plugin = (ROOT / "qgis_plugin" / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in plugin
    assert "Version 2" in plugin


def test_changelog_knows_this_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(bluepeace_gis.__version__)}\b", changelog, re.MULTILINE)


# --- what the README promises ----------------------------------------------------------------------------


def readme_commands():
    """Lines of the README's code blocks that start one of our commands, continued lines joined."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for block in blocks:
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            words = line.split(" #")[0].removeprefix("$ ").split()
            if words and (words[0].endswith("bluepeace") or words[0] in {"python", "python3", "bash"}):
                yield words


def test_readme_shows_both_commands_and_the_first_question():
    commands = [" ".join(words) for words in readme_commands()]
    for promised in ("python3 scripts/demo.py", "python3 scripts/test.py", "bluepeace basins"):
        assert any(command.startswith(promised) for command in commands), promised


@pytest.mark.parametrize("words", [*readme_commands()], ids=" ".join)
def test_commands_of_the_readme_exist(words):
    program, *arguments = words
    if not program.endswith("bluepeace"):
        files = [word for word in arguments if "/" in word and not word.startswith("-")]
        assert [file for file in files[:1] if not (ROOT / file).exists()] == []
        return
    command = arguments[0]
    done = subprocess.run(
        [sys.executable, "-m", "bluepeace_gis", command, "--help"],
        env={**os.environ, "COLUMNS": "300"},  # else the help breaks long names
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for word in arguments[1:]:
        if word.startswith("--") and word != "--help":
            option = word.partition("=")[0]
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", done.stdout), (
                f"{command} has no option {option}"
            )


def test_links_of_the_readme_lead_somewhere():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'(?:src|href)="([^"#]+)', text)
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (ROOT / target).exists()] == []


# --- the rules of the tests themselves -------------------------------------------------------------------

SUITE = """
import pytest

@pytest.mark.real
def test_real(real_data):
    assert real_data.is_dir()

@pytest.mark.qgis
def test_in_qgis():
    pass

@pytest.mark.qgis
def test_that_finds_its_own_reason():
    pytest.skip("no window")
"""


@pytest.fixture
def small_suite(tmp_path):
    """A checkout with nothing but our conftest and three tests; PATH has no QGIS, or a mere name of one."""
    checkout = tmp_path / "checkout"
    tests = checkout / "tests"
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "conftest.py", tests)
    (tests / "test_suite.py").write_text(SUITE, encoding="utf-8")
    (checkout / "pytest.ini").write_text("[pytest]\nmarkers =\n    real\n    qgis\n", encoding="utf-8")
    ours = ("BLUEPEACE_", "PYTEST_", "COV_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}

    def run(*, qgis=False, **environment):
        for name in ("qgis_process", "qgis_process.bat") if qgis else ():
            (tmp_path / name).touch(mode=0o755)
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider"],
            cwd=checkout,
            env={**clean, "PATH": str(tmp_path), **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    return run


def test_without_data_and_qgis_tests_are_skipped_with_the_reason(small_suite):
    done = small_suite()
    assert done.returncode == 0
    assert "3 skipped" in done.stdout
    assert "BLUEPEACE_REAL_DATA names their place" in done.stdout
    assert "no qgis_process on PATH" in done.stdout


def test_real_data_are_found_where_they_are_said_to_be(small_suite, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    done = small_suite(BLUEPEACE_REAL_DATA=str(tmp_path / "elsewhere"))
    assert "1 passed, 2 skipped" in done.stdout


def test_real_data_are_found_beside_the_project(small_suite, tmp_path):
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert "1 passed, 2 skipped" in small_suite().stdout


def test_a_wrong_place_of_the_real_data_is_refused(small_suite, tmp_path):
    done = small_suite(BLUEPEACE_REAL_DATA=str(tmp_path / "nowhere"))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "which is not a folder" in done.stdout + done.stderr


def test_a_test_in_qgis_may_find_its_own_reason_to_skip(small_suite):
    assert "1 passed, 2 skipped" in small_suite(qgis=True).stdout


@pytest.mark.parametrize(("qgis", "reason"), [(False, "no qgis_process on PATH"), (True, "no window")])
def test_where_qgis_must_be_there_a_skip_is_a_failure(small_suite, qgis, reason):
    done = small_suite(qgis=qgis, BLUEPEACE_REQUIRE_QGIS="1")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert re.search(r"\b1 skipped", done.stdout)  # the real data
    assert "must not be skipped" in done.stdout
    assert reason in done.stdout
