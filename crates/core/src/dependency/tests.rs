//! One line a case: a file before and after, and what is said of it.

use super::*;

#[track_caller]
fn check(path: &str, before: &str, after: &str, expected: &[&str]) {
    let compared = compare(path, Some(before), Some(after));
    assert_eq!(compared.unreadable, None, "{path}");
    let said: Vec<String> = compared.changes.iter().map(DependencyChange::sentence).collect();
    assert_eq!(said, expected, "{path}");
}

#[track_caller]
fn refused(path: &str, after: &str, why: &str) {
    let compared = compare(path, None, Some(after));
    let said = compared.unreadable.unwrap_or_else(|| panic!("{path}: {:?}", compared.changes));
    assert!(said.contains(why), "{path}: {said}");
}

#[test]
fn python_files_are_read() {
    check("requirements.txt", "requests==2.31\n", "requests==2.32\n", &["requests ==2.31 → ==2.32"]);
    check("requirements.txt", "", "reqeusts>=1 # typo\n", &["reqeusts >=1 added"]);
    check("requirements-dev.txt", "a\nb==1\n", "b==1\n", &["a any removed"]);
    check(
        "requirements/base.in",
        "",
        "x[y]~=1.0 ; python_version > '3'\n",
        &["x ~=1.0 ; python_version > '3' added"],
    );
    check(
        "requirements.txt",
        "",
        "--extra-index-url https://e.example\n",
        &["--extra-index-url https://e.example added"],
    );
    check("requirements.txt", "", "p @ git+https://g.example/p\n", &["p @ git+https://g.example/p added"]);
    check(
        "requirements.txt",
        "",
        "https://e.example/p.whl\n",
        &["https://e.example/p.whl by its address added"],
    );
    check("requirements.txt", "a==1 --hash=sha256:1\n", "a==1 \\\n  --hash=sha256:2\n", &[]);
    check("constraints.txt", "A_b==1\n", "a-b==2\n", &["a-b ==1 → ==2"]);
    let project =
        "[project]\nname='x'\ndependencies=['a>=1','b']\n[tool.poetry.group.dev.dependencies]\nc='^1'\n";
    check("pyproject.toml", project, &project.replace("a>=1", "a>=2"), &["a >=1 → >=2"]);
    check(
        "pyproject.toml",
        project,
        &project.replace("'^1'", "{git='g', rev='r'}"),
        &["c ^1 → git g, rev r"],
    );
    check("pyproject.toml", "", "[build-system]\nrequires=['hatchling']\n", &["hatchling any added"]);
    check("pyproject.toml", "", "[dependency-groups]\ndev=['t',{include-group='u'}]\n", &["t any added"]);
    check(
        "pyproject.toml",
        "",
        "[[tool.uv.index]]\nurl='https://e.example'\n",
        &["index url https://e.example added"],
    );
    check("poetry.lock", "", "[[package]]\nname='a'\nversion='1'\n", &["a 1 added"]);
    check(
        "uv.lock",
        "",
        "[[package]]\nname='a'\nversion='1'\nsource={registry='https://r.example/simple'}\n",
        &["a 1 (registry https://r.example/simple) added"],
    );
    check(
        "uv.lock",
        "",
        "[[package]]\nname='a'\nversion='1'\nsource={url='https://e'}\n",
        &["a 1 (url https://e) added"],
    );
    check("Pipfile", "[packages]\na='*'\n", "[packages]\na='==1'\n", &["a * → ==1"]);
    check(
        "Pipfile.lock",
        r#"{"default":{"a":{"version":"==1"}}}"#,
        r#"{"default":{"a":{"version":"==2"}},"_meta":{"x":1}}"#,
        &["a ==1 → ==2"],
    );
    check("pylock.toml", "packages=[]", "[[packages]]\nname='a'\nversion='1'\n", &["a 1 added"]);
}

#[test]
fn rust_and_go_files_are_read() {
    check(
        "Cargo.toml",
        "[dependencies]\nserde='1'\n",
        "[dependencies]\nserde={version='2',features=['x']}\n",
        &["serde 1 → 2"],
    );
    check(
        "a/Cargo.toml",
        "",
        "[target.'cfg(unix)'.dev-dependencies]\nx={path='../x'}\n",
        &["x path ../x added"],
    );
    check("Cargo.toml", "", "[patch.crates-io]\nserde={git='https://e'}\n", &["serde git https://e added"]);
    check("Cargo.toml", "", "[workspace.dependencies]\na='1'\n", &["a 1 added"]);
    let lock = "[[package]]\nname='a'\nversion='1'\n[[package]]\nname='a'\nversion='2'\n";
    check("Cargo.lock", lock, &lock.replace("'2'", "'3'"), &["a 2 → 3"]);
    check(
        "Cargo.lock",
        "",
        "[[package]]\nname='a'\nversion='1'\nsource='git+https://e'\n",
        &["a 1 (git+https://e) added"],
    );
    check(
        "go.mod",
        "module m\ngo 1.22\nrequire a v1\n",
        "module m\ngo 1.22\nrequire (\n\ta v2 // indirect\n)\n",
        &["a v1 → v2"],
    );
    check("go.mod", "", "replace a v1 => ../b\n", &["a replaced by ../b added"]);
    check("go.sum", "a v1 h1:x\na v1/go.mod h1:y\n", "a v2 h1:x\n", &["a v1 → v2"]);
}

#[test]
fn node_files_are_read() {
    check(
        "package.json",
        r#"{"dependencies":{"a":"^1"}}"#,
        r#"{"dependencies":{"a":"^2"},"devDependencies":{"b":"1"}}"#,
        &["a ^1 → ^2", "b 1 added"],
    );
    check("web/package.json", "{}", r#"{"overrides":{"a":{"b":"1"}}}"#, &["a > b 1 added"]);
    check(
        "package-lock.json",
        "{}",
        r#"{"packages":{"":{"version":"1"},"node_modules/a/node_modules/@s/b":{"version":"2"}}}"#,
        &["@s/b 2 added"],
    );
    check(
        "package-lock.json",
        "{}",
        r#"{"dependencies":{"a":{"version":"1","dependencies":{"b":{"version":"2"}}}}}"#,
        &["a 1 added", "b 2 added"],
    );
    check(
        "package-lock.json",
        "{}",
        r#"{"packages":{"node_modules/a":{"version":"1","resolved":"https://e.example/a.tgz"}}}"#,
        &["a 1 (https://e.example/a.tgz) added"],
    );
    check(
        "yarn.lock",
        "",
        "# yarn\n\n\"@s/a@^1\", \"@s/a@^2\":\n  version \"2.1\"\n  resolved \"https://r.example/x\"\n",
        &["@s/a 2.1, https://r.example/x added"],
    );
    check("yarn.lock", "", "__metadata:\n  version: 8\n\n\"a@npm:^1\":\n  version: 1.2\n", &["a 1.2 added"]);
    check(
        "pnpm-lock.yaml",
        "",
        "lockfileVersion: '9.0'\npackages:\n\n  '@s/a@1.0':\n    resolution: {}\n\n  b@2(c@1):\n    x: y\nsnapshots:\n  d@1: {}\n",
        &["@s/a 1.0 added", "b 2 added"],
    );
    check("pnpm-lock.yaml", "", "packages:\n  /a/1.0:\n", &["a 1.0 added"]);
}

#[test]
fn ruby_php_and_java_files_are_read() {
    check(
        "Gemfile",
        "source 'https://rubygems.org'\n",
        "source 'https://rubygems.org'\ngroup :test do\n  gem 'rspec', '~> 3'\nend\n",
        &["rspec '~> 3' added"],
    );
    check(
        "Gemfile.lock",
        "GEM\n  specs:\n    a (1)\n      b (>= 1)\n",
        "GEM\n  specs:\n    a (2)\n      b (>= 1)\n",
        &["a 1 → 2"],
    );
    check("composer.json", r#"{"require":{"a/b":"^1"}}"#, r#"{"require":{"a/b":"^2"}}"#, &["a/b ^1 → ^2"]);
    check(
        "composer.lock",
        "{}",
        r#"{"packages":[{"name":"a/b","version":"dev-main","dist":{"reference":"abc"}}]}"#,
        &["a/b dev-main (abc) added"],
    );
    check("gradle.lockfile", "a:b:1=compile\nempty=\n", "a:b:2=compile\nempty=\n", &["a:b 1 → 2"]);
    check(
        "gradle/libs.versions.toml",
        "",
        "[versions]\nk='2'\n[libraries]\na={module='g:a',version.ref='k'}\n",
        &["g:a ref k added", "versions.k 2 added"],
    );
    let pom = |version: &str| {
        format!(
            "<?xml version='1.0'?>\n<project><artifactId>own</artifactId><!-- <dependency> --><properties><v>{version}</v></properties><dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId><version>{version}</version></dependency></dependencies></project>"
        )
    };
    check("pom.xml", &pom("1"), &pom("2"), &["${v} 1 → 2", "g:a 1 → 2"]);
}

#[test]
fn what_cannot_be_read_is_said() {
    refused("requirements.txt", "a b c\n", "\"a b c\" is no requirement");
    refused("package.json", "{", "it is not JSON, after the change");
    refused("Cargo.lock", "package = 1", "not a list");
    refused("Gemfile", "eval File.read('x')\n", "must be run");
    refused("go.mod", "import x\n", "`import` is no directive");
    refused("pom.xml", "<project><a></project>", "not closed");
    refused("pnpm-lock.yaml", "packages:\n  - a\n", "is no package");
    refused("setup.py", "setup()", "does not read its format");
    refused("app.csproj", "<Project/>", "does not read its format");
    assert_eq!(
        compare("x/Cargo.toml", Some("["), None).unreadable.as_deref(),
        Some("it is not TOML, before the change")
    );
}

#[test]
fn many_changes_are_counted() {
    let many: String = (0..250).map(|n| format!("p{n}==1\n")).collect();
    let compared = compare("requirements.txt", None, Some(&many));
    assert_eq!((compared.changes.len(), compared.more), (MOST_CHANGES, 50));
}
