//! Which package registries set-up may reach: those that the operator's clients are configured for, else the public ones.
//!
//! Read are variables and files of pip, uv, npm, Go and cargo; of each file only the lines that name a registry, never one
//! that holds a credential, and an address loses its user and password on the way.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use url::Url;

use super::system::Mount;

/// The public registries, where no other is configured.
const PYPI: [&str; 2] = ["https://pypi.org/simple", "https://files.pythonhosted.org"];
const NPM: &str = "https://registry.npmjs.org/";
const CRATES: [&str; 2] = ["https://index.crates.io", "https://static.crates.io"];
const GO: &str = "https://proxy.golang.org";
const GO_SUMS: &str = "https://sum.golang.org";

/// Where certificate authorities are kept.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];
/// Variables that name another file with them.
const AUTHORITY_VARIABLES: [&str; 5] =
    ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "CARGO_HTTP_CAINFO"];

/// A host and its port.
pub(super) type Server = (String, u16);

/// What set-up may reach, and what its clients are given to find it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Registries {
    /// All servers that may be reached.
    pub(super) servers: BTreeSet<Server>,
    /// Those of them that the operator named, which may have private addresses.
    pub(super) named: BTreeSet<Server>,
    /// The operator's own proxy, with its credentials, which stay outside of the sandbox.
    pub(super) upstream: Option<Url>,
    /// Hosts that are not reached by it.
    pub(super) no_upstream: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Registries that are folders of this machine.
    pub(super) mounts: Vec<Mount>,
    /// `config.toml` for cargo and `npmrc` for npm; empty if they need none.
    pub(super) cargo: String,
    pub(super) npm: String,
    /// The file with certificate authorities.
    pub(super) authorities: Option<PathBuf>,
}

/// The operator's variables and home, and the root of this machine's configuration (`/etc`).
#[derive(Debug, Clone)]
pub(super) struct Operator {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) home: PathBuf,
    pub(super) etc: PathBuf,
}

impl Operator {
    pub(super) fn of_this_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?)));
        let home = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/nonexistent"));
        Self { variables: variables.collect(), home, etc: PathBuf::from("/etc") }
    }

    fn variable(&self, names: &[&str]) -> Option<&str> {
        let mut values = names.iter().filter_map(|name| self.variables.get(*name));
        values.find(|value| !value.trim().is_empty()).map(|value| value.trim())
    }

    /// The values of `key = value` lines of these files, for keys that `wanted` picks.
    fn lines(&self, files: &[PathBuf], wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let texts = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
        let pairs = texts.flat_map(|text| {
            let pair = |line: &str| {
                let (key, value) = line.split_once('=')?;
                Some((key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
            };
            text.lines().filter_map(pair).collect::<Vec<_>>()
        });
        pairs.filter(|(key, _)| wanted(key)).collect()
    }
}

impl Registries {
    /// Reads what the operator has configured.
    pub(super) fn of(operator: &Operator) -> Self {
        let mut found = Self::default();
        found.python(operator);
        found.node(operator);
        found.go(operator);
        found.rust(operator);
        let upstream = operator.variable(&[
            "HTTPS_PROXY",
            "https_proxy",
            "ALL_PROXY",
            "all_proxy",
            "HTTP_PROXY",
            "http_proxy",
        ]);
        found.upstream =
            upstream.and_then(|url| url.parse::<Url>().ok()).filter(|url| url.scheme() == "http");
        let without = operator.variable(&["NO_PROXY", "no_proxy"]).unwrap_or_default();
        found.no_upstream =
            without.split(',').map(|host| host.trim().trim_start_matches('.').to_owned()).collect();
        let named =
            AUTHORITY_VARIABLES.iter().filter_map(|name| operator.variables.get(*name)).map(PathBuf::from);
        let usual = AUTHORITIES.map(PathBuf::from);
        found.authorities = named.chain(usual).find(|file| file.is_file());
        found
    }

    fn python(&mut self, operator: &Operator) {
        let named = operator.variables.get("PIP_CONFIG_FILE").map(PathBuf::from);
        let usual = [
            operator.etc.join("pip.conf"),
            operator.home.join(".config/pip/pip.conf"),
            operator.home.join(".pip/pip.conf"),
        ];
        let files: Vec<PathBuf> = named.into_iter().chain(usual).collect();
        let of_file = |key: &str| operator.lines(&files, |found| found == key).pop().map(|(_, value)| value);
        let of = |variables: &[&str], key: &str| {
            operator.variable(variables).map(str::to_owned).or_else(|| of_file(key))
        };
        let index = of(&["PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"], "index-url");
        match index.as_deref().and_then(|url| self.name(url)) {
            Some(index) => {
                for variable in ["PIP_INDEX_URL", "UV_DEFAULT_INDEX"] {
                    self.set(variable, &index);
                }
            }
            None => PYPI.iter().for_each(|url| self.allow(url)),
        }
        let more = of(&["PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL"], "extra-index-url").unwrap_or_default();
        let more: Vec<String> = more.split_whitespace().filter_map(|url| self.name(url)).collect();
        if !more.is_empty() {
            self.set("PIP_EXTRA_INDEX_URL", &more.join(" "));
        }
        for host in operator.variable(&["PIP_TRUSTED_HOST"]).unwrap_or_default().split_whitespace() {
            drop(self.name(&format!("https://{host}")));
        }
        let links = operator.variable(&["PIP_FIND_LINKS"]).unwrap_or_default();
        let folders: Vec<&str> = links.split_whitespace().filter(|link| self.folder(link)).collect();
        if !folders.is_empty() {
            self.set("PIP_FIND_LINKS", &folders.join(" "));
        }
    }

    fn node(&mut self, operator: &Operator) {
        let files = [operator.etc.join("npmrc"), operator.home.join(".npmrc")];
        let is_registry =
            |key: &str| key == "registry" || (key.starts_with('@') && key.ends_with(":registry"));
        let mut registry = operator
            .variable(&["npm_config_registry", "NPM_CONFIG_REGISTRY", "YARN_NPM_REGISTRY_SERVER"])
            .map(str::to_owned);
        for (key, value) in operator.lines(&files, is_registry) {
            match self.name(&value) {
                Some(url) if key.starts_with('@') => self.npm.push_str(&format!("{key}={url}\n")),
                Some(url) if registry.is_none() => registry = Some(url),
                _ => {}
            }
        }
        match registry.and_then(|url| self.name(&url)) {
            Some(url) if url != NPM => {
                self.set("npm_config_registry", &url);
                self.set("YARN_NPM_REGISTRY_SERVER", &url);
            }
            Some(_) => {}
            None => self.allow(NPM),
        }
    }

    fn go(&mut self, operator: &Operator) {
        let named = operator.variable(&["GOPROXY"]).unwrap_or(GO);
        let mut kept = Vec::new();
        for one in named.split([',', '|']).map(str::trim) {
            match one.strip_prefix("file://") {
                Some(folder) if self.folder(folder) => kept.push(one.to_owned()),
                // Straight from repositories anywhere: set-up reaches registries only.
                None if matches!(one, "direct" | "off" | "") => {}
                None if one == GO => {
                    self.allow(GO);
                    kept.push(GO.to_owned());
                }
                None => kept.extend(self.name(one)),
                Some(_) => {}
            }
        }
        let kept = if kept.is_empty() { "off".to_owned() } else { kept.join(",") };
        self.set("GOPROXY", &kept);
        self.set("GOFLAGS", "-modcacherw");
        for name in ["GOSUMDB", "GONOSUMDB", "GONOSUMCHECK", "GOPRIVATE", "GONOPROXY"] {
            if let Some(value) = operator.variable(&[name]) {
                self.set(name, value);
            }
        }
        if operator.variable(&["GOSUMDB"]) != Some("off") {
            self.allow(GO_SUMS);
        }
    }

    /// From cargo's configuration, the tables `source` and `registries`, without tokens.
    fn rust(&mut self, operator: &Operator) {
        let home = operator.variable(&["CARGO_HOME"]).map(PathBuf::from);
        let home = home.unwrap_or_else(|| operator.home.join(".cargo"));
        let texts = ["config.toml", "config"].map(|name| std::fs::read_to_string(home.join(name)));
        let text = texts.into_iter().find_map(Result::ok).unwrap_or_default();
        let config: toml::Table = text.parse().unwrap_or_default();
        let mut is_replaced = false;
        for table in ["source", "registries"] {
            let Some(toml::Value::Table(entries)) = config.get(table) else { continue };
            for (name, entry) in entries {
                let kept = entry.as_table().map(|entry| self.cargo_source(entry)).unwrap_or_default();
                is_replaced |= name == "crates-io" && kept.contains("replace-with");
                let name = serde_json::Value::from(name.as_str());
                self.cargo.push_str(&format!("[{table}.{name}]\n{kept}"));
            }
        }
        for (name, value) in &operator.variables {
            let is_index = name.starts_with("CARGO_REGISTRIES_") && name.ends_with("_INDEX");
            if let Some(url) = is_index.then(|| self.name(value)).flatten() {
                self.set(name, &url);
            }
        }
        if !is_replaced {
            CRATES.iter().for_each(|url| self.allow(url));
        }
    }

    /// The lines of one table that name a place. A JSON string is one of TOML too.
    fn cargo_source(&mut self, entry: &toml::Table) -> String {
        let mut kept = String::new();
        for (key, value) in entry {
            let Some(text) = value.as_str() else { continue };
            let text = match key.as_str() {
                "registry" | "index" => self.name(text),
                "replace-with" | "protocol" => Some(text.to_owned()),
                "directory" | "local-registry" => self.folder(text).then(|| text.to_owned()),
                _ => None,
            };
            if let Some(text) = text {
                kept.push_str(&format!("{key} = {}\n", serde_json::Value::from(text)));
            }
        }
        kept
    }

    fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    fn allow(&mut self, url: &str) {
        self.servers.extend(url.parse().ok().and_then(|url: Url| server(&url)));
    }

    /// Allows a registry that the operator named; its address without user and password.
    fn name(&mut self, text: &str) -> Option<String> {
        let (kind, address) = match text.strip_prefix("sparse+") {
            Some(address) => ("sparse+", address),
            None => ("", text),
        };
        let mut url: Url = address.parse().ok()?;
        let server = server(&url)?;
        self.servers.insert(server.clone());
        self.named.insert(server);
        url.set_username("").ok()?;
        url.set_password(None).ok()?;
        Some(format!("{kind}{url}"))
    }

    /// Lets set-up read a folder of this machine that is a registry.
    fn folder(&mut self, folder: &str) -> bool {
        let folder = Path::new(folder.trim_start_matches("file://"));
        let is_there = folder.is_absolute() && folder.is_dir();
        if is_there && !folder.starts_with("/usr") {
            let (source, target) = (folder.to_owned(), folder.display().to_string());
            self.mounts.push(Mount { source, target, writable: false });
        }
        is_there
    }
}

fn server(url: &Url) -> Option<Server> {
    matches!(url.scheme(), "http" | "https").then_some(())?;
    Some((url.host_str()?.trim_matches(['[', ']']).to_lowercase(), url.port_or_known_default()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(variables: &[(&str, &str)], home: &Path) -> Operator {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Operator { variables: variables.collect(), home: home.to_owned(), etc: home.join("etc") }
    }

    fn set<'a>(found: &'a Registries, name: &str) -> Option<&'a str> {
        found.environment.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn without_configuration_the_public_registries_are_reached_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let found = Registries::of(&operator(&[], home.path()));
        let hosts: Vec<&str> = found.servers.iter().map(|(host, _)| host.as_str()).collect();
        assert_eq!(
            hosts,
            [
                "files.pythonhosted.org",
                "index.crates.io",
                "proxy.golang.org",
                "pypi.org",
                "registry.npmjs.org",
                "static.crates.io",
                "sum.golang.org",
            ]
        );
        assert!(found.named.is_empty() && found.upstream.is_none());
    }

    #[test]
    fn the_operators_registries_take_their_place_without_credentials() {
        let home = tempfile::tempdir().unwrap();
        let modules = home.path().join("modules");
        std::fs::create_dir(&modules).unwrap();
        std::fs::write(
            home.path().join(".npmrc"),
            "registry=http://npm.acme.example:4873/\n//npm.acme.example:4873/:_authToken=canary\n@acme:registry=https://own.acme.example/\n",
        )
        .unwrap();
        std::fs::create_dir(home.path().join(".cargo")).unwrap();
        std::fs::write(
            home.path().join(".cargo/config.toml"),
            "[source.crates-io]\nreplace-with = 'own'\n[source.own]\nregistry = 'sparse+https://crates.acme.example/index/'\n[registries.own]\ntoken = 'canary'\nindex = 'sparse+https://crates.acme.example/index/'\n",
        )
        .unwrap();
        let goproxy = format!("file://{},direct", modules.display());
        let found = Registries::of(&operator(
            &[
                ("PIP_INDEX_URL", "https://user:canary@10.0.0.9:8443/simple"),
                ("GOPROXY", &goproxy),
                ("GOSUMDB", "off"),
                ("HTTPS_PROXY", "http://proxy.acme.example:3128"),
            ],
            home.path(),
        ));
        assert_eq!(set(&found, "PIP_INDEX_URL"), Some("https://10.0.0.9:8443/simple"));
        assert_eq!(set(&found, "npm_config_registry"), Some("http://npm.acme.example:4873/"));
        assert_eq!(set(&found, "GOPROXY"), Some(&*format!("file://{}", modules.display())));
        assert_eq!(found.npm, "@acme:registry=https://own.acme.example/\n");
        assert_eq!(found.mounts.len(), 1);
        let servers: Vec<String> =
            found.servers.iter().map(|(host, port)| format!("{host}:{port}")).collect();
        assert_eq!(
            servers,
            ["10.0.0.9:8443", "crates.acme.example:443", "npm.acme.example:4873", "own.acme.example:443"]
        );
        assert_eq!(found.servers, found.named);
        let seen_inside = format!("{:?} {} {}", found.environment, found.cargo, found.npm);
        assert!(!seen_inside.contains("canary") && found.cargo.contains("replace-with"), "{seen_inside}");
    }
}
