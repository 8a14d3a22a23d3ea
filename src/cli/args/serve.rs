//! The words of what serves, works, or does all of it on one machine.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::Args;
use url::Url;

use crate::core::requirement::ProductName;

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on.
    #[arg(long, env = "ASPORA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The URL under which people reach this server; made of the address unless said.
    #[arg(long, env = "ASPORA_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
}

/// How to work.
#[derive(Debug, Args)]
pub struct Worker {
    /// This worker's name in attempts and events; made of the host and the process unless said.
    #[arg(long)]
    pub name: Option<String>,
}

/// How to run everything on one machine.
#[derive(Debug, Args)]
pub struct Dev {
    /// The port of the server; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A product and the folder of its repository; may be given several times.
    #[arg(long, value_name = "NAME=DIR")]
    pub product: Vec<LocalProduct>,
}

/// A product whose repository is a folder on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalProduct {
    /// The product's name.
    pub name: ProductName,
    /// The folder.
    pub folder: PathBuf,
}

impl FromStr for LocalProduct {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, folder)) if !folder.is_empty() => {
                let name = name.parse().map_err(|wrong: crate::core::requirement::Invalid| wrong.message)?;
                Ok(Self { name, folder: folder.into() })
            }
            _ => Err("NAME=DIR is needed, such as wealth=./wealth-product".to_owned()),
        }
    }
}

/// How to show the whole way.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where everything is kept; below the temporary folder unless said. A demo that was cut off goes on.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The port of the server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Go on serving the pages after the end, until interrupted.
    #[arg(long)]
    pub keep: bool,
}
