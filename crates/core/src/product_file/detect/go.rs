//! Go: the module file.

use super::{Detected, Folder};
use crate::product_file::{Build, Toolchain};

/// Compiles the standard library once: in a sandbox that begins empty, it would be compiled before every run of the tests,
/// which takes minutes.
const STANDARD: &str = "GOCACHE=/deps/go-build go build std";
/// Takes over what set-up compiled, to a place that Go may write to.
const COMPILED: &str = "cp -r /deps/go-build /tmp/go-build";

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let module = folder.text("go.mod")?;
    let needs = module.lines().any(|line| line.trim_start().starts_with("require"));
    let is_vendored = folder.has("vendor/modules.txt");
    let mut notes = vec!["Go, from `go.mod`".to_owned()];
    if is_vendored {
        notes.push("its modules are in `vendor/`, so nothing is downloaded".to_owned());
    }
    let mut setup = vec![STANDARD.to_owned()];
    if needs && !is_vendored {
        setup.insert(0, "go mod download".to_owned());
    }
    let build = Build {
        setup,
        test: vec![COMPILED.to_owned(), "go test ./...".to_owned()],
        lint: vec!["go vet ./...".to_owned()],
        toolchains: vec![Toolchain::Go],
        ..Build::default()
    };
    Some(Detected { build, notes })
}
