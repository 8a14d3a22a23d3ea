//! The command line as npm packs and installs it, without a registry. The binary is the one under test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use serde_json::Value;
use tempfile::TempDir;

use super::repository::{POLICY, Repository};

const PLATFORMS: &str = include_str!("../../../../deploy/npm/risk-tier-cli/platforms.json");
const WRAPPER: &str = include_str!("../../../../deploy/npm/risk-tier-cli/package.json");

/// The two packed files: the binary's for this platform, and the wrapper's.
struct Packed {
    folder: TempDir,
    files: Vec<PathBuf>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn packed() -> &'static Packed {
    static PACKED: OnceLock<Packed> = OnceLock::new();
    PACKED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let output = pack(&target(), folder.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect();
        Packed { folder, files }
    })
}

fn pack(target: &str, out: &Path) -> Output {
    let mut node = Command::new("node");
    node.arg(root().join("deploy/npm/pack.mjs"));
    node.args(["--target", target, "--binary", env!("CARGO_BIN_EXE_aspora-risk-tier"), "--out"]).arg(out);
    node.output().unwrap()
}

/// The target that the tests were built for.
fn target() -> String {
    let os = if cfg!(target_os = "macos") { "apple-darwin" } else { "unknown-linux" };
    let libc = if cfg!(target_env = "musl") { "-musl" } else { "-gnu" };
    format!("{}-{os}{}", std::env::consts::ARCH, if cfg!(target_os = "macos") { "" } else { libc })
}

/// Runs npm with nothing of this machine's configuration, and no registry.
fn npm(folder: &Path, program: &str, arguments: &[&str]) -> Output {
    let mut npm = Command::new(program);
    npm.current_dir(folder).env("HOME", folder).env("npm_config_cache", folder.join("cache"));
    npm.env("npm_config_registry", "http://nowhere.invalid").env("npm_config_update_notifier", "false");
    npm.args(arguments).output().unwrap()
}

/// Installs the packed files into a folder.
fn install(files: &[PathBuf], options: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = files.iter().map(|file| file.to_str().unwrap());
    let fixed = ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", "."];
    let arguments: Vec<&str> = fixed.into_iter().chain(options.iter().copied()).chain(files).collect();
    let output = npm(folder.path(), "npm", &arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

fn high() -> Repository {
    let repository = Repository::new();
    repository.write("services/risk_checker.py", "x");
    repository.commit();
    repository
}

#[test]
fn the_documents_command_runs_once_the_packed_files_are_installed_globally() {
    let (folder, repository) = (install(&packed().files, &["--global"]), high());
    let mut command = Command::new(folder.path().join("bin/aspora-risk-tier"));
    let ask = ["--policy", POLICY, "--product", "wealth", "--base", "HEAD~1", "--head", "HEAD"];
    let output = command.current_dir(repository.path()).args(ask).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"high\n"[..]), "{output:?}");
}

#[test]
fn npx_runs_the_installed_package_and_passes_its_exit_code_on() {
    let (folder, repository) = (install(&packed().files, &[]), high());
    let place = repository.path().to_str().unwrap();
    let npx = |policy: &str| {
        let ask = [
            "--policy",
            policy,
            "--product",
            "wealth",
            "--base",
            "HEAD~1",
            "--head",
            "HEAD",
            "--repo",
            place,
        ];
        npm(folder.path(), "npx", &[&["--offline", "@aspora/risk-tier-cli"][..], &ask].concat())
    };
    let output = npx(POLICY);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"high\n"[..]), "{output:?}");
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{").unwrap();
    assert_eq!(npx(broken.to_str().unwrap()).status.code(), Some(3), "the policy is refused");
}

#[test]
fn without_a_binary_for_the_platform_the_command_says_what_there_is() {
    let folder = install(&packed().files, &[]);
    let preload = folder.path().join("platform.js");
    let run = |os: &str, cpu: &str, glibc: &str| {
        let text = format!(
            "Object.defineProperty(process, 'platform', {{ value: {os:?} }});
             Object.defineProperty(process, 'arch', {{ value: {cpu:?} }});
             process.report.getReport = () => ({{ header: {{ glibcVersionRuntime: {glibc} }} }});"
        );
        fs::write(&preload, text).unwrap();
        let script = folder.path().join("node_modules/@aspora/risk-tier-cli/bin/aspora-risk-tier.js");
        let output = Command::new("node").arg("--require").arg(&preload).arg(script).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let known = "darwin-arm64, darwin-x64, linux-arm64-gnu, linux-arm64-musl, linux-x64-gnu, linux-x64-musl";
    let said = run("freebsd", "x64", "undefined");
    assert_eq!(said, format!("aspora-risk-tier: there is no binary for freebsd x64. There are: {known}\n"));
    let said = run("linux", "riscv64", "'2.36'");
    assert!(said.contains("no binary for linux riscv64 glibc"), "{said}");
    for (os, cpu, glibc, name) in
        [("linux", "x64", "undefined", "linux-x64-musl"), ("darwin", "arm64", "undefined", "darwin-arm64")]
    {
        let said = run(os, cpu, glibc);
        assert!(said.contains(&format!("the package @aspora/risk-tier-cli-{name} is missing")), "{said}");
    }
}

#[test]
fn a_binary_of_another_release_is_not_run() {
    let folder = install(&packed().files, &[]);
    let scope = folder.path().join("node_modules/@aspora");
    let binary = fs::read_dir(&scope).unwrap().map(|entry| entry.unwrap().path());
    let binary = { binary }.find(|path| !path.ends_with("risk-tier-cli")).unwrap();
    let package = binary.join("package.json");
    let text = fs::read_to_string(&package).unwrap().replace(env!("CARGO_PKG_VERSION"), "0.0.9");
    fs::write(&package, text).unwrap();
    let output = npm(folder.path(), "npx", &["--offline", "@aspora/risk-tier-cli", "--version"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("is 0.0.9 and @aspora/risk-tier-cli is"), "{said}");
}

#[test]
fn the_packages_hold_what_they_need_and_run_nothing_at_installation() {
    let [binary, wrapper] = packed().files.as_slice() else { panic!("{:?}", packed().files) };
    assert!(binary.starts_with(packed().folder.path().canonicalize().unwrap()));
    let list = |file: &Path| {
        let output = Command::new("tar").arg("-tzf").arg(file).output().unwrap();
        let mut names: Vec<String> =
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(list(binary), ["package/bin/aspora-risk-tier", "package/package.json"]);
    let expected = ["README.md", "bin/aspora-risk-tier.js", "package.json", "platforms.json"];
    assert_eq!(list(wrapper), expected.map(|name| format!("package/{name}")));
    for file in [binary, wrapper] {
        let output = Command::new("tar").arg("-xzOf").arg(file).arg("package/package.json").output().unwrap();
        let package: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(package["scripts"], Value::Null, "{package}");
        assert_eq!(package["version"], env!("CARGO_PKG_VERSION"), "{package}");
    }
}

#[test]
fn the_versions_are_those_of_the_release_and_every_platform_has_its_package() {
    let wrapper: Value = serde_json::from_str(WRAPPER).unwrap();
    let platforms: serde_json::Map<String, Value> = serde_json::from_str(PLATFORMS).unwrap();
    assert_eq!(wrapper["version"], env!("CARGO_PKG_VERSION"), "deploy/npm/risk-tier-cli/package.json");
    let mut names: Vec<String> = platforms
        .values()
        .map(|it| format!("@aspora/risk-tier-cli-{}", it["name"].as_str().unwrap()))
        .collect();
    names.sort();
    let packages = wrapper["optionalDependencies"].as_object().unwrap();
    assert_eq!(packages.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
    assert!(packages.values().all(|version| version == env!("CARGO_PKG_VERSION")), "{packages:?}");
}

#[test]
fn a_target_that_has_no_package_is_refused() {
    let output = pack("sparc-sun-solaris", packed().folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.starts_with("pack: --target is sparc-sun-solaris, not one of aarch64-apple-darwin,"),
        "{said}"
    );
}
