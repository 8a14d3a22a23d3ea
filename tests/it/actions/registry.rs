//! A registry of npm's on this machine, as strict as one: it serves what is packed, by the names, platforms and
//! digests that the packages have.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::SystemTime,
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path as Segment, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The repository of this code.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A running registry.
pub(crate) struct Registry {
    pub(crate) url: String,
    shelf: Arc<Shelf>,
}

struct Shelf {
    url: String,
    packages: Vec<Package>,
    /// The files that were downloaded.
    served: Mutex<Vec<String>>,
}

#[derive(Clone)]
struct Package {
    manifest: Value,
    bytes: Option<Vec<u8>>,
}

impl Registry {
    /// Starts one that has the command line of this checkout.
    pub(crate) async fn start() -> Self {
        let packages = tokio::task::spawn_blocking(packages).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Shelf { url: url.clone(), packages, served: Mutex::default() });
        let router = Router::new()
            .route("/{package}", get(document))
            .route("/files/{file}", get(file))
            .with_state(Arc::clone(&shelf));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shelf }
    }

    /// The files that were downloaded, sorted.
    pub(crate) fn served(&self) -> Vec<String> {
        let mut served = self.shelf.served.lock().unwrap().clone();
        served.sort();
        served
    }
}

/// The packed wrapper and this platform's binary, and what the registry says of the other platforms.
fn packages() -> Vec<Package> {
    static PACKED: OnceLock<Vec<Package>> = OnceLock::new();
    PACKED.get_or_init(pack).clone()
}

fn pack() -> Vec<Package> {
    let folder = TempDir::new().unwrap();
    let platforms = std::fs::read_to_string(root().join("deploy/npm/risk-tier-cli/platforms.json")).unwrap();
    let platforms: serde_json::Map<String, Value> = serde_json::from_str(&platforms).unwrap();
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut node = Command::new("node");
    node.arg(root().join("deploy/npm/pack.mjs")).args(["--target", &target, "--binary"]).arg(binary());
    let output = node.arg("--out").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files = String::from_utf8(output.stdout).unwrap();
    let mut packages: Vec<Package> = files.lines().map(|file| packed(Path::new(file))).collect();
    for (_, it) in platforms.iter().filter(|(name, _)| **name != target) {
        let name = format!("@aspora/risk-tier-cli-{}", it["name"].as_str().unwrap());
        let libc = it.get("libc").map(|libc| json!([libc])).unwrap_or_default();
        let manifest = json!({"name": name, "version": env!("CARGO_PKG_VERSION"), "os": [it["os"]],
            "cpu": [it["cpu"]], "libc": libc});
        packages.push(Package { manifest, bytes: None });
    }
    packages
}

fn packed(file: &Path) -> Package {
    let output = Command::new("tar").arg("-xzOf").arg(file).arg("package/package.json").output().unwrap();
    let manifest = serde_json::from_slice(&output.stdout).unwrap();
    Package { manifest, bytes: Some(std::fs::read(file).unwrap()) }
}

/// The command line, built if it is missing or older than its sources.
pub(crate) fn binary() -> PathBuf {
    let (binary, root) = (root().join("target/debug/aspora-risk-tier"), root());
    let built = std::fs::metadata(&binary).and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let newest = ["crates/core/src", "crates/risk-tier/src"].map(|folder| newest(&root.join(folder)));
    if newest.into_iter().any(|changed| changed > built) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root).args(["build", "--quiet", "--package", "aspora-risk-tier"]);
        assert!(cargo.status().unwrap().success(), "the command line could not be built");
    }
    binary
}

fn newest(path: &Path) -> SystemTime {
    let own = std::fs::metadata(path).unwrap().modified().unwrap();
    let inside = std::fs::read_dir(path).into_iter().flatten().map(|entry| newest(&entry.unwrap().path()));
    inside.fold(own, SystemTime::max)
}

async fn document(State(shelf): State<Arc<Shelf>>, Segment(name): Segment<String>) -> Response {
    let Some(package) = shelf.packages.iter().find(|it| it.manifest["name"] == name.as_str()) else {
        return (StatusCode::NOT_FOUND, Json(json!({"error": "Not found"}))).into_response();
    };
    let version = package.manifest["version"].as_str().unwrap();
    let file = name.trim_start_matches("@aspora/");
    let mut manifest = package.manifest.clone();
    let digest = Sha512::digest(package.bytes.as_deref().unwrap_or_default());
    manifest["dist"] = json!({"tarball": format!("{}/files/{file}.tgz", shelf.url),
        "integrity": format!("sha512-{}", BASE64_STANDARD.encode(digest))});
    let versions = json!({version: manifest});
    Json(json!({"name": name, "dist-tags": {"latest": version}, "versions": versions})).into_response()
}

async fn file(State(shelf): State<Arc<Shelf>>, Segment(file): Segment<String>) -> Response {
    shelf.served.lock().unwrap().push(file.clone());
    let name = format!("@aspora/{}", file.trim_end_matches(".tgz"));
    let found = shelf.packages.iter().find(|it| it.manifest["name"] == name.as_str());
    match found.and_then(|package| package.bytes.clone()) {
        Some(bytes) => Body::from(bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
