//! Go: the module file.

use super::{Detected, Folder};
use crate::product_file::{Build, Toolchain};

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let module = folder.text("go.mod")?;
    let needs = module.lines().any(|line| line.trim_start().starts_with("require"));
    let is_vendored = folder.has("vendor/modules.txt");
    let mut notes = vec!["Go, from `go.mod`".to_owned()];
    if is_vendored {
        notes.push("its modules are in `vendor/`, so nothing is downloaded".to_owned());
    }
    let build = Build {
        setup: if needs && !is_vendored { vec!["go mod download".to_owned()] } else { Vec::new() },
        test: vec!["go test ./...".to_owned()],
        lint: vec!["go vet ./...".to_owned()],
        toolchains: vec![Toolchain::Go],
        ..Build::default()
    };
    Some(Detected { build, notes })
}
