//! Files that Python finds before its own: a module at an import root that is called like one of the standard
//! library or of a test runner is imported in its place.

/// Modules of Python's standard library (`sys.stdlib_module_names` of 3.13, those that are public), and what
/// Python and its test runners import by themselves.
const MODULES: &str = "abc antigravity argparse array ast asyncio atexit audioop base64 bdb binascii bisect \
    builtins bz2 calendar cgi cgitb chunk cmath cmd code codecs codeop collections colorsys compileall concurrent \
    configparser contextlib contextvars copy copyreg crypt csv ctypes curses dataclasses datetime dbm decimal \
    difflib dis doctest email encodings ensurepip enum errno faulthandler fcntl filecmp fileinput fnmatch \
    fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac \
    html http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache \
    locale logging lzma mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing \
    netrc nis nntplib nt ntpath nturl2path numbers opcode operator optparse os ossaudiodev pathlib pdb pickle \
    pickletools pipes pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd py_compile \
    pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource rlcompleter runpy sched \
    secrets select selectors shelve shlex shutil signal site smtplib sndhdr socket socketserver spwd sqlite3 \
    sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symtable \
    sys sysconfig syslog tabnanny tarfile telnetlib tempfile termios textwrap this threading time timeit tkinter \
    token tokenize tomllib trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest \
    urllib uu uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xdrlib xml xmlrpc zipapp \
    zipfile zipimport zlib zoneinfo sitecustomize usercustomize pytest _pytest py pluggy iniconfig coverage nose \
    hypothesis xdist pytest_cov";

/// Names that are more often a folder of a project's own than an attack; only a package of that name counts.
const COMMON: [&str; 12] = [
    "calendar", "code", "email", "html", "platform", "profile", "queue", "resource", "site", "types", "json",
    "xml",
];

/// Endings of what Python imports.
const IMPORTED: [&str; 4] = ["py", "pyc", "so", "pyd"];

/// Whether a file, if it is new, is one that Python finds before its own. The path is folded.
pub(crate) fn shadows(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    // The root and `src` are on the path; a test runner adds the folders of tests.
    let roots = if parts[0] == "src" && parts.len() > 1 { &[0, 1][..] } else { &[0][..] };
    let in_tests = parts.iter().take(parts.len() - 1).position(|part| matches!(*part, "tests" | "test"));
    roots.iter().any(|&root| is_module(&parts[root..], true))
        || in_tests.is_some_and(|at| (at + 1..parts.len()).any(|root| is_module(&parts[root..], false)))
}

/// Why such a file is critical if it is new, and not an agent's to write.
pub(crate) const SHADOWS: &str = "Python would find it before its own module of that name";

/// Whether the parts are a file of a module of that name: `http.py`, `http/__init__.py`; with `folders` also any
/// Python file in `http/`.
fn is_module(parts: &[&str], folders: bool) -> bool {
    let name = parts[0].split('.').next().unwrap_or_default();
    if !MODULES.split_ascii_whitespace().any(|module| module == name) {
        return false;
    }
    let last = parts[parts.len() - 1];
    let imported = last.rsplit_once('.').is_some_and(|(_, end)| IMPORTED.contains(&end));
    match parts {
        [_] => imported,
        [folder, file] if matches!(*file, "__init__.py" | "__main__.py") => *folder == name,
        [folder, ..] => folders && imported && *folder == name && !COMMON.contains(&name),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m1_a_file_that_python_finds_before_its_own_is_known() {
        for path in [
            "difflib.py",
            "unittest/__main__.py",
            "unittest/case.py",
            "http/client.py",
            "sitecustomize.py",
            "pytest.py",
            "_pytest/python.py",
            "src/json.py",
            "src/json/__init__.py",
            "tests/difflib.py",
            "tests/unit/random.py",
            "app/tests/email/__init__.py",
            "json.cpython-313.so",
            "email/__init__.py",
        ] {
            assert!(shadows(path), "{path}");
        }
    }

    #[test]
    fn a_module_of_that_name_inside_a_package_is_its_own() {
        for path in [
            "app/logging.py",
            "services/email/send.py",
            "tests/http/test_client.py",
            "tests/test_json.py",
            "site/index.html",
            "email/send.py",
            "platform/build.py",
            "test/test_a.py",
            "http/README.md",
            "src/main.py",
            "calendar.md",
            "app/types.py",
            "lib/http.py",
        ] {
            assert!(!shadows(path), "{path}");
        }
    }
}
