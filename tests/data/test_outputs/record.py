"""Records what real test runners write, as the fixtures beside this file.

    python3 record.py --python DIR/bin/python --node-modules DIR/node_modules --go DIR/bin/go [CASE-PREFIX]

DIR/bin/python has pytest, DIR/node_modules has vitest, jest, mocha and tape; cargo and node come from the PATH. Each case is a
tiny project in a new folder, whose path is written as /product. A fixture is the command, the exit code, an empty line,
and standard output and error as one stream. Times differ from run to run; nothing reads them.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent

ADD = "def add(a, b):\n    return a + b\n"
PY_PASS = "from app import add\n\n\ndef test_two():\n    assert add(1, 1) == 2\n\n\ndef test_three():\n    assert add(1, 2) == 3\n"
PY_FAIL = PY_PASS + "\n\ndef test_wrong():\n    assert add(1, 1) == 3\n"
UNIT = "import unittest\nfrom app import add\n\n\nclass Add(unittest.TestCase):\n    def test_two(self):\n        self.assertEqual(add(1, 1), {})\n\n    def test_three(self):\n        self.assertEqual(add(1, 2), 3)\n"
JS_ADD = "exports.add = (a, b) => a + b;\n"
NODE = "const test = require('node:test');\nconst assert = require('node:assert');\nconst { add } = require('./app.js');\n\ntest('two', () => assert.strictEqual(add(1, 1), %s));\ntest('three', () => assert.strictEqual(add(1, 2), 3));\n"
JEST = "const { add } = require('./app.js');\n\ntest('two', () => expect(add(1, 1)).toBe(%s));\ntest('three', () => expect(add(1, 2)).toBe(3));\n"
VITEST = "import { expect, test } from 'vitest';\nimport { add } from './app.mjs';\n\ntest('two', () => expect(add(1, 1)).toBe(%s));\ntest('three', () => expect(add(1, 2)).toBe(3));\n"
MOCHA = "const assert = require('node:assert');\nconst { add } = require('../app.js');\n\ndescribe('add', () => {\n  it('two', () => assert.strictEqual(add(1, 1), %s));\n  it('three', () => assert.strictEqual(add(1, 2), 3));\n});\n"
TAPE = "const test = require('tape');\nconst { add } = require('../app.js');\n\ntest('two', (t) => {\n  t.equal(add(1, 1), %s);\n  t.end();\n});\ntest('three', (t) => {\n  t.equal(add(1, 2), 3);\n  t.end();\n});\n"
GO_MOD = "module example.com/app\n\ngo 1.24\n"
GO = "package app\n\nfunc Add(a, b int) int { return a + b }\n"
GO_TEST = "package app\n\nimport \"testing\"\n\nfunc TestTwo(t *testing.T) {\n\tif Add(1, 1) != %s {\n\t\tt.Fatal(\"wrong\")\n\t}\n}\n\nfunc TestThree(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Fatal(\"wrong\")\n\t}\n}\n"
CARGO = "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"
RUST = "/// Adds.\n///\n/// ```\n/// assert_eq!(app::add(1, 1), 2);\n/// ```\npub fn add(a: u32, b: u32) -> u32 {\n    a + b\n}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn two() {\n        assert_eq!(super::add(1, 1), %s);\n    }\n}\n"
RUST_TEST = "#[test]\nfn three() {\n    assert_eq!(app::add(1, 2), 3);\n}\n"

PYTEST = ["{python}", "-m", "pytest"]
UNITTEST = ["python3", "-m", "unittest", "discover", "-s", "tests", "-t", "."]
VT, JT, MT = ["npx", "vitest", "run"], ["npx", "jest"], ["npx", "mocha"]
TT = ["npx", "tape", "test/*.js"]
GT = ["go", "test", "./..."]
CT = ["cargo", "test", "--offline"]


def npm(script):
    return {"package.json": '{"name": "app", "version": "1.0.0", "scripts": {%s}}\n' % script}


def unit(two="2", **more):
    return {"app.py": ADD, "tests/__init__.py": "", "tests/test_app.py": UNIT.format(two), **more}


CASES = {
    "pytest/pass": (PYTEST, {"app.py": ADD, "test_app.py": PY_PASS}),
    "pytest/pass_quiet": (PYTEST + ["-q"], {"app.py": ADD, "test_app.py": PY_PASS}),
    "pytest/pass_colour": (PYTEST + ["--color=yes"], {"app.py": ADD, "test_app.py": PY_PASS}),
    "pytest/fail": (PYTEST, {"app.py": ADD, "test_app.py": PY_FAIL}),
    "pytest/fail_quiet": (PYTEST + ["-q"], {"app.py": ADD, "test_app.py": PY_FAIL}),
    "pytest/collection_import": (PYTEST, {"app.py": ADD, "test_app.py": PY_PASS, "test_new.py": "from app import subtract\n"}),
    "pytest/missing_module": (PYTEST, {"app.py": "import numpyish\n" + ADD, "test_app.py": PY_PASS}),
    "pytest/syntax": (PYTEST, {"app.py": "def add(a, b)\n    return a + b\n", "test_app.py": PY_PASS}),
    "pytest/fixture_error": (PYTEST, {"app.py": ADD, "test_app.py": PY_PASS + "\n\ndef test_lost(nowhere):\n    pass\n"}),
    "pytest/nothing": (PYTEST, {"app.py": ADD}),
    "pytest/skipped": (PYTEST, {"app.py": ADD, "test_app.py": "import pytest\n" + PY_PASS.replace("def test_three", "@pytest.mark.skip\ndef test_three")}),
    "pytest/all_skipped": (PYTEST, {"app.py": ADD, "test_app.py": "import pytest\npytestmark = pytest.mark.skip\n" + PY_PASS}),
    "pytest/xfail": (PYTEST, {"app.py": ADD, "test_app.py": "import pytest\n" + PY_PASS + "\n\n@pytest.mark.xfail\ndef test_later():\n    assert False\n"}),
    "pytest/no_file": (PYTEST + ["tests/test_gone.py"], {"app.py": ADD}),
    "pytest/conftest": (PYTEST, {"app.py": ADD, "conftest.py": "import app\nraise RuntimeError('down')\n", "test_app.py": PY_PASS}),
    "pytest/bad_option": (PYTEST + ["--cov=app"], {"app.py": ADD, "test_app.py": PY_PASS}),
    "pytest/not_installed": (["python3", "-S", "-m", "pytest"], {"app.py": ADD, "test_app.py": PY_PASS}),
    "pytest/left_early": (PYTEST, {"app.py": "import os\nos._exit(0)\n" + ADD, "test_app.py": PY_PASS}),
    "unittest/pass": (UNITTEST, unit()),
    "unittest/fail": (UNITTEST, unit("3")),
    "unittest/nothing": (UNITTEST, {"app.py": ADD, "tests/__init__.py": ""}),
    "unittest/nothing_311": (["python3.11"] + UNITTEST[1:], {"app.py": ADD, "tests/__init__.py": ""}),
    "unittest/import_error": (UNITTEST, unit(**{"tests/test_new.py": "from app import subtract\n"})),
    "unittest/missing_module": (UNITTEST, unit(**{"app.py": "import numpyish\n" + ADD})),
    "unittest/syntax": (UNITTEST, unit(**{"app.py": "def add(a, b)\n    return a + b\n"})),
    "unittest/skipped": (UNITTEST, unit(**{"tests/test_app.py": UNIT.format("2").replace("    def test_three", "    @unittest.skip('later')\n    def test_three")})),
    "unittest/no_folder": (UNITTEST, {"app.py": ADD}),
    "unittest/left_early": (UNITTEST, unit(**{"app.py": "import os\nos._exit(0)\n" + ADD})),
    "node/pass": (["node", "--test"], {"app.js": JS_ADD, "app.test.js": NODE % "2"}),
    "node/pass_spec": (["node", "--test", "--test-reporter=spec"], {"app.js": JS_ADD, "app.test.js": NODE % "2"}),
    "node/fail": (["node", "--test"], {"app.js": JS_ADD, "app.test.js": NODE % "3"}),
    "node/fail_spec": (["node", "--test", "--test-reporter=spec"], {"app.js": JS_ADD, "app.test.js": NODE % "3"}),
    "node/syntax": (["node", "--test"], {"app.js": "exports.add = (a, b => a + b;\n", "app.test.js": NODE % "2"}),
    "node/missing_module": (["node", "--test"], {"app.js": "require('numpyish');\n" + JS_ADD, "app.test.js": NODE % "2"}),
    "node/nothing": (["node", "--test"], {"app.js": JS_ADD}),
    "node/skipped": (["node", "--test"], {"app.js": JS_ADD, "app.test.js": (NODE % "2").replace("test('three'", "test.skip('three'")}),
    "jest/pass": (JT, {"package.json": "{}", "app.js": JS_ADD, "app.test.js": JEST % "2"}),
    "jest/fail": (JT, {"package.json": "{}", "app.js": JS_ADD, "app.test.js": JEST % "3"}),
    "jest/syntax": (JT, {"package.json": "{}", "app.js": "exports.add = (a, b => a + b;\n", "app.test.js": JEST % "2"}),
    "jest/missing_module": (JT, {"package.json": "{}", "app.js": "require('numpyish');\n" + JS_ADD, "app.test.js": JEST % "2"}),
    "jest/nothing": (JT, {"package.json": "{}", "app.js": JS_ADD}),
    "jest/skipped": (JT, {"package.json": "{}", "app.js": JS_ADD, "app.test.js": (JEST % "2").replace("test('three'", "test.skip('three'")}),
    "vitest/pass": (VT, {"package.json": "{}", "app.mjs": "export const add = (a, b) => a + b;\n", "app.test.mjs": VITEST % "2"}),
    "vitest/fail": (VT, {"package.json": "{}", "app.mjs": "export const add = (a, b) => a + b;\n", "app.test.mjs": VITEST % "3"}),
    "vitest/syntax": (VT, {"package.json": "{}", "app.mjs": "export const add = (a, b => a + b;\n", "app.test.mjs": VITEST % "2"}),
    "vitest/missing_module": (VT, {"package.json": "{}", "app.mjs": "import 'numpyish';\nexport const add = (a, b) => a + b;\n", "app.test.mjs": VITEST % "2"}),
    "vitest/nothing": (VT, {"package.json": "{}", "app.mjs": "export const add = (a, b) => a + b;\n"}),
    "vitest/skipped": (VT, {"package.json": "{}", "app.mjs": "export const add = (a, b) => a + b;\n", "app.test.mjs": (VITEST % "2").replace("test('three'", "test.skip('three'")}),
    "mocha/pass": (MT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": MOCHA % "2"}),
    "mocha/fail": (MT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": MOCHA % "3"}),
    "mocha/syntax": (MT, {"package.json": "{}", "app.js": "exports.add = (a, b => a + b;\n", "test/app.js": MOCHA % "2"}),
    "mocha/missing_module": (MT, {"package.json": "{}", "app.js": "require('numpyish');\n" + JS_ADD, "test/app.js": MOCHA % "2"}),
    "mocha/nothing": (MT, {"package.json": "{}", "app.js": JS_ADD}),
    "tape/pass": (TT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": TAPE % "2"}),
    "tape/fail": (TT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": TAPE % "3"}),
    "tape/syntax": (TT, {"package.json": "{}", "app.js": "exports.add = (a, b => a + b;\n", "test/app.js": TAPE % "2"}),
    "tape/missing_module": (TT, {"package.json": "{}", "app.js": "require('numpyish');\n" + JS_ADD, "test/app.js": TAPE % "2"}),
    "tape/nothing": (TT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": "require('tape');\n"}),
    "tape/skipped": (TT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": (TAPE % "2").replace("test('three'", "test.skip('three'")}),
    "mocha/skipped": (MT, {"package.json": "{}", "app.js": JS_ADD, "test/app.js": (MOCHA % "2").replace("it('three'", "it.skip('three'")}),
    "npm/not_specified": (["npm", "test"], npm('"test": "echo \\"Error: no test specified\\" && exit 1"')),
    "npm/no_script": (["npm", "test"], npm("")),
    "npm/no_command": (["npm", "test"], npm('"test": "vitestish run"')),
    "npm/no_package": (["npm", "test"], {"app.js": JS_ADD}),
    "npm/node_pass": (["npm", "test"], {**npm('"test": "node --test"'), "app.js": JS_ADD, "app.test.js": NODE % "2"}),
    "go/pass": (GT, {"go.mod": GO_MOD, "app.go": GO, "app_test.go": GO_TEST % "2"}),
    "go/pass_verbose": (GT + ["-v"], {"go.mod": GO_MOD, "app.go": GO, "app_test.go": GO_TEST % "2"}),
    "go/fail": (GT, {"go.mod": GO_MOD, "app.go": GO, "app_test.go": GO_TEST % "3"}),
    "go/build_failed": (GT, {"go.mod": GO_MOD, "app.go": GO.replace("a + b", "a + c"), "app_test.go": GO_TEST % "2"}),
    "go/syntax": (GT, {"go.mod": GO_MOD, "app.go": GO.replace("int {", "int ", 1), "app_test.go": GO_TEST % "2"}),
    "go/test_build_failed": (GT, {"go.mod": GO_MOD, "app.go": GO, "app_test.go": (GO_TEST % "2").replace("Add(1, 2)", "Sub(1, 2)"), "more/more.go": "package more\n", "more/more_test.go": "package more\n\nimport \"testing\"\n\nfunc TestMore(t *testing.T) {}\n"}),
    "go/missing_module": (GT, {"go.mod": GO_MOD, "app.go": GO.replace("package app\n", "package app\n\nimport _ \"example.com/numpyish\"\n"), "app_test.go": GO_TEST % "2"}),
    "go/no_test_files": (GT, {"go.mod": GO_MOD, "app.go": GO}),
    "go/some_without_tests": (GT, {"go.mod": GO_MOD, "app.go": GO, "app_test.go": GO_TEST % "2", "more/more.go": "package more\n"}),
    "go/panic": (GT, {"go.mod": GO_MOD, "app.go": GO, "app_test.go": (GO_TEST % "2").replace("t.Fatal(\"wrong\")", "_ = 0", 1).replace("if Add(1, 1)", "panic(\"down\")\n\tif Add(1, 1)")}),
    "go/skipped": (GT + ["-v"], {"go.mod": GO_MOD, "app.go": GO, "app_test.go": (GO_TEST % "2").replace("\tif Add(1, 2)", "\tt.Skip(\"later\")\n\tif Add(1, 2)")}),
    "go/no_module": (GT, {"app.go": GO}),
    "cargo/pass": (CT, {"Cargo.toml": CARGO, "src/lib.rs": RUST % "2", "tests/app.rs": RUST_TEST}),
    "cargo/fail": (CT, {"Cargo.toml": CARGO, "src/lib.rs": RUST % "3", "tests/app.rs": RUST_TEST}),
    "cargo/syntax": (CT, {"Cargo.toml": CARGO, "src/lib.rs": (RUST % "2").replace("-> u32 {", "-> u32"), "tests/app.rs": RUST_TEST}),
    "cargo/test_does_not_compile": (CT, {"Cargo.toml": CARGO, "src/lib.rs": RUST % "2", "tests/app.rs": RUST_TEST.replace("add", "subtract")}),
    "cargo/nothing": (CT, {"Cargo.toml": CARGO, "src/lib.rs": "pub const ONE: u32 = 1;\n"}),
    "cargo/ignored": (CT, {"Cargo.toml": CARGO, "src/lib.rs": RUST % "2", "tests/app.rs": RUST_TEST.replace("#[test]", "#[test]\n#[ignore]")}),
    "cargo/missing_crate": (CT, {"Cargo.toml": CARGO + "\n[dependencies]\nnumpyish = \"1\"\n", "src/lib.rs": RUST % "2"}),
    "cargo/no_manifest": (CT, {"src/lib.rs": RUST % "2"}),
    "other/no_command": (["sh", "-c", "exec testish run"], {}),
    "other/not_executable": (["sh", "-c", "./run"], {"run": "true\n"}),
    "other/make_no_rule": (["make", "test"], {"Makefile": "all:\n\ttrue\n"}),
    "other/make_fails": (["make", "test"], {"Makefile": "test:\n\tpython3 -m unittest discover -s tests -t .\n", **unit("3")}),
    "other/make_no_command": (["make", "test"], {"Makefile": "test:\n\ttestish run\n"}),
    "other/killed": (["sh", "-c", "kill -9 $$"], {}),
    "other/script_pass": (["sh", "-c", "echo all good"], {}),
    "other/script_fail": (["sh", "-c", "echo not good; exit 1"], {}),
}


def record(name, argv, files, tools):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = pathlib.Path(folder, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        if name.split("/")[0] in ("vitest", "jest", "mocha", "tape"):
            os.symlink(tools.node_modules, pathlib.Path(folder, "node_modules"))
        argv = [word.format(python=tools.python) if "{python}" in word else word for word in argv]
        path = f"{pathlib.Path(tools.go).parent}:{os.environ['PATH']}"
        variables = {
            "PATH": path, "HOME": folder + "-home", "LANG": "C.UTF-8", "GOTOOLCHAIN": "local", "GOCACHE": "/tmp/go-cache",
            "GOFLAGS": "-mod=mod", "GOPROXY": "off", "CI": "1", "PYTHONDONTWRITEBYTECODE": "1",
            "CARGO_HOME": os.path.expanduser("~/.cargo"), "RUSTUP_HOME": os.path.expanduser("~/.rustup"),
            "PYENV_ROOT": os.path.expanduser("~/.pyenv"),
        }
        run = subprocess.run(argv, cwd=folder, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        output = run.stdout.decode().replace(folder + "-home", "/tmp").replace(folder, "/product")
        output = output.replace(str(pathlib.Path(tools.python).parent.parent), "/usr").replace(os.path.expanduser("~"), "/home")
        output = output.replace(tools.node_modules, "/product/node_modules")
        # pytest writes paths outside of the project as seen from it.
        output = output.replace(os.path.relpath(pathlib.Path(tools.python).parent.parent, folder), "../usr")
        command = " ".join("python3" if word == tools.python else word for word in argv)
        code = run.returncode if run.returncode >= 0 else 128 - run.returncode
        target = HERE / f"{name}.txt"
        target.parent.mkdir(exist_ok=True)
        target.write_text(f"$ {command}\nexit {code}\n\n{output}")
        print(f"{name}: exit {code}", flush=True)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--python", required=True)
    arguments.add_argument("--node-modules", required=True)
    arguments.add_argument("--go", required=True)
    arguments.add_argument("prefix", nargs="?", default="")
    tools = arguments.parse_args()
    for name, (argv, files) in CASES.items():
        if name.startswith(tools.prefix):
            record(name, argv, files, tools)


if __name__ == "__main__":
    sys.exit(main())
