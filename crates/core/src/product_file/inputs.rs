//! Which files say what a product depends on.

/// Names of manifests, of lock files, and of files that choose versions and registries.
const MANIFESTS: [&str; 37] = [
    ".cargo/config.toml",
    ".npmrc",
    ".nvmrc",
    ".node-version",
    ".python-version",
    ".yarnrc.yml",
    "build.gradle",
    "build.gradle.kts",
    "bun.lock",
    "bun.lockb",
    "cargo.lock",
    "cargo.toml",
    "composer.json",
    "composer.lock",
    "gemfile",
    "gemfile.lock",
    "go.mod",
    "go.sum",
    "go.work",
    "go.work.sum",
    "npm-shrinkwrap.json",
    "package-lock.json",
    "package.json",
    "pdm.lock",
    "pipfile",
    "pipfile.lock",
    "pnpm-lock.yaml",
    "pnpm-workspace.yaml",
    "poetry.lock",
    "pom.xml",
    "pyproject.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
    "setup.cfg",
    "setup.py",
    "uv.lock",
    "yarn.lock",
];

/// Whether set-up always reads a file of this path.
pub(super) fn is_manifest(path: &str) -> bool {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let is_text = name.ends_with(".txt") || name.ends_with(".in");
    let folder = path.strip_suffix(name).unwrap_or_default();
    MANIFESTS.contains(&name)
        || path.ends_with(".cargo/config.toml")
        || (is_text && ["requirements", "constraints"].iter().any(|begin| name.starts_with(begin)))
        || (is_text && folder.trim_end_matches('/').ends_with("requirements"))
}
