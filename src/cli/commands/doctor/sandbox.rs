//! Whether products' tests can run on this machine, and what their set-up keeps here.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{core::words::counted, workspace::Sandbox};

/// The way out where no sandbox can work.
const WITHOUT: &str = "where no worker has a sandbox, `aspora product put NAME --tests forge` lets the forge's checks decide alone";

/// Tries the sandbox; a machine without one is no fault, since the worker may run on another.
pub(super) async fn inspect(text: &mut String) -> Value {
    let sandbox = match Sandbox::find().await {
        Ok(sandbox) => sandbox,
        Err(unavailable) => {
            let _ = writeln!(text, "note {unavailable}");
            let _ = writeln!(text, "     {WITHOUT}");
            return json!({ "works": false, "reason": unavailable.reason });
        }
    };
    let (how, used) = (sandbox.limited_by(), sandbox.layers().usage());
    let _ = writeln!(text, "ok   the sandbox of products' tests works here, limited by {how}");
    if used.layers > 0 {
        let (layers, mib) = (counted(used.layers, "layer"), used.bytes >> 20);
        let _ = writeln!(text, "ok   {layers} of set-up on this machine, {mib} MiB");
    }
    json!({ "works": true, "limited_by": how, "layers": used.layers, "layer_bytes": used.bytes })
}
