//! One line a case: what is done to the file below, and what is said of it.

use super::weakenings;

const CASE: &str = "\
import unittest

import service


class BadBody(unittest.TestCase):
    def test_is_refused(self):
        # The body that killed the worker.
        for body in [b\"{\", b\"[]\"]:
            status, payload = service.answer(body)
            self.assertEqual(status, 400, body)
            self.assertIn(\"body\", payload)


if __name__ == \"__main__\":
    unittest.main()
";

const FIRST: &str = "            self.assertEqual(status, 400, body)\n";
const LAST: &str = "            self.assertIn(\"body\", payload)\n";
const LOOP: &str = "for body in [b\"{\", b\"[]\"]:";

#[track_caller]
fn becomes(from: &str, to: &str, expected: &str) {
    assert!(CASE.contains(from), "{from}");
    let said = weakenings("tests/harness/test_bad_body.py", Some(CASE), &CASE.replace(from, to));
    match expected {
        "" => assert_eq!(said, Vec::<String>::new(), "{from} → {to}"),
        expected => assert!(said.iter().any(|reason| reason.contains(expected)), "{from} → {to}: {said:?}"),
    }
}

fn after(line: &str, more: &str) -> String {
    format!("{line}{more}")
}

#[test]
fn what_keeps_every_case_is_not_weaker() {
    becomes("# The body that killed the worker.", "# The body of the incident.", "");
    becomes("import service\n", "import service\n\n", "");
    becomes(LAST, &after(LAST, "            self.assertEqual(payload[\"code\"], \"bad\")\n"), "");
    becomes(LAST, &after(LAST, "            assert payload, body\n"), "");
    becomes(LOOP, "for body in [b\"{\", b\"[]\", b\"null\", 4, None]:", "");
    becomes(
        LAST,
        &after(LAST, "\n    def test_is_logged(self):\n        self.assertTrue(service.log())\n"),
        "",
    );
    becomes(
        "\n\nif __name__",
        "\n\nclass Other(unittest.TestCase):\n    def test_it(self):\n        self.assertTrue(service.ok())\n\n\nif __name__",
        "",
    );
}

#[test]
fn an_assertion_that_goes_or_gets_weaker_is_weaker() {
    becomes(FIRST, "", "removes the assertion `self.assertEqual(status, 400, body)`");
    becomes(
        "self.assertEqual(status, 400, body)",
        "self.assertTrue(True)",
        "the trivial `self.assertTrue(True)`",
    );
    becomes("self.assertEqual(status, 400, body)", "self.assertEqual(status, status)", "the trivial");
    becomes("400, body)", "500, body)", "in place of");
    becomes("self.assertEqual(status, 400, body)", "self.assertIn(status, [400, 500])", "in place of");
    becomes("self.assertIn(\"body\", payload)", "pass", "removes the assertion");
    becomes(
        "self.assertIn(\"body\", payload)",
        "# self.assertIn(\"body\", payload)",
        "removes the assertion",
    );
    becomes(FIRST, &format!("            if status:\n    {FIRST}"), "in place of");
}

#[test]
fn a_case_that_is_not_run_is_weaker() {
    becomes("def test_is_refused", "def check_is_refused", "renames the case `test_is_refused`");
    becomes("class BadBody(unittest.TestCase)", "class BadBody(object)", "cannot be shown");
    becomes("    def test_is", "    @unittest.skip(\"flaky\")\n    def test_is", "`skip`");
    becomes("class Bad", "@unittest.expectedFailure\nclass Bad", "`expectedFailure`");
    becomes("import service\n", "import service\npytestmark = []\n", "`pytestmark`");
    becomes("import service\n", "import service\n__test__ = False\n", "`__test__`");
    becomes("class Bad", "def load_tests(*_):\n    return None\n\n\nclass Bad", "`load_tests`");
    becomes(LAST, &after(LAST, "\n    def test_is_refused(self):\n        pass\n"), "cannot be shown");
    becomes(LAST, &after(LAST, "\n    def run(self, result=None):\n        pass\n"), "cannot be shown");
    becomes("        # The", "        return\n        # The", "cannot be shown");
    becomes(
        "            status, payload",
        "            continue\n            status, payload",
        "cannot be shown",
    );
    becomes(FIRST, &after(FIRST, "            assert (yield)\n"), "`yield`");
    becomes("    def test_is", "    @once\n    def test_is", "cannot be shown");
    becomes(
        "        for body",
        "        def test_inner():\n            pass\n            for body",
        "what a case is tried with",
    );
}

#[test]
fn fewer_or_other_values_are_weaker() {
    becomes(LOOP, "for body in [b\"{\"]:", "what a case is tried with");
    becomes(LOOP, "for body in []:", "what a case is tried with");
    becomes(LOOP, "for body in [b\"{\", b\"[], 5\"]:", "what a case is tried with");
    becomes(LOOP, "for body in [b\"{\", stop(), b\"[]\"]:", "what a case is tried with");
    becomes("service.answer(body)", "service.answer(body or 1)", "cannot be shown");
}

#[test]
fn what_reaches_beyond_its_line_is_weaker() {
    becomes("import service\n", "import service\nimport helper\n", "`import`");
    becomes("import service\n", "import service\nservice.answer = None\n", "cannot be shown");
    becomes(
        LAST,
        &after(LAST, "\n    def test_b(self):\n        service.answer = None\n"),
        "cannot be shown",
    );
    becomes(LAST, &after(LAST, "            self.assertTrue(os._exit(0))\n"), "`_exit`");
    becomes(
        "\n\nif __name__",
        "\n\nclass service:\n    def test_it(self):\n        pass\n\n\nif __name__",
        "cannot be shown",
    );
    becomes(
        "\n\nif __name__",
        "\n\nclass Other(unittest.TestCase):\n    off = service.off()\n\n    def test_it(self):\n        pass\n\n\nif __name__",
        "cannot be shown",
    );
    becomes("import unittest\n", "# coding: utf-7\nimport unittest\n", "not what they look like");
    becomes("# The body", "# The\rreturn\r# body", "not what they look like");
}

#[test]
fn an_assertion_that_something_may_catch_is_weaker() {
    let before = "def test_a():\n    with raises(Exception):\n        call()\n";
    let after = before.replace("        call", "        assert 1 == 2\n        call");
    assert!(weakenings("tests/harness/test_a.py", Some(before), &after)[0].contains("may catch"));
}

#[test]
fn other_files_are_judged_by_what_they_can_do() {
    let check = |path: &str, before: Option<&str>, after: &str, expected: Option<&str>| {
        let said = weakenings(path, before, after);
        let fits = expected.map_or(said.is_empty(), |word| said.iter().any(|reason| reason.contains(word)));
        assert!(fits, "{path}: {said:?}");
    };
    check("tests/harness/__init__.py", None, "# Cases of incidents.\n", None);
    check("tests/harness/__init__.py", Some(""), "import os\n", Some("runs before"));
    check("Tests/Harness/conftest.py", None, "collect_ignore = ['a']\n", Some("runs before"));
    check("tests/conftest.py", None, "import x\n\ndef helper():\n    return 1\n", None);
    check(
        "tests/conftest.py",
        Some(""),
        "def pytest_collection_modifyitems(items):\n    items.clear()\n",
        Some("pytest_"),
    );
    check("conftest.py", None, "collect_ignore_glob = ['tests/*']\n", Some("collect_ignore"));
    check("tests/__init__.py", None, "import os\nos._exit(0)\n", Some("_exit"));
    check("tests/harness/test_new.py", None, "def test_a():\n    assert f() == 1\n", None);
    check("tests/harness/test_new.py", None, "import os\nos._exit(0)\n", Some("end the run"));
    check("tests/harness/README.md", Some("a"), "b", None);
    check("tests/harness/case.json", Some("{}"), "[]", Some("not Python"));
    check("tests/harness/case.json", None, "[]", None);
}
