//! Browser evidence as a capture would write it: manifests, and pictures that are real PNGs.

use aspora::core::policy::EVIDENCE_CHECK;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The check.
pub(crate) const CHECK: &str = EVIDENCE_CHECK;
/// The assertions that the policy of the product demands of each flow.
const ASSERTIONS: [&str; 3] =
    ["expected_entrypoint_exists", "expected_account_identity_present", "no_console_errors"];

/// A picture of one colour with a stripe, 64 by 48 pixels; pictures of different shades are different.
pub(crate) fn picture(shade: u8, stripe: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 64, 48);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    let pixel = |at: u32| if at / 64 == stripe { [255, 0, 0] } else { [shade, shade, 200] };
    writer.write_image_data(&(0..64 * 48).flat_map(pixel).collect::<Vec<u8>>()).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A manifest that holds, of a flow with one picture.
pub(crate) fn manifest(flow: &str, head: &str, picture: &[u8]) -> Value {
    json!({
        "version": 1, "flow": flow, "entrypoint": "/dashboard", "identity": "priya@aspora.com", "head_sha": head,
        "captured_at": chrono::Utc::now(),
        "assertions": ASSERTIONS.map(|name| json!({ "name": name, "passed": true })),
        "screenshots": [{
            "path": format!("{flow}-1.png"), "sha256": hex::encode(Sha256::digest(picture)), "bytes": picture.len(),
        }],
        "console_errors": [],
        "observed": {
            "entrypoint": "/dashboard", "identity": true, "failed_requests": [], "browser": "chromium 131.0",
        },
        "tests": [{ "title": flow, "passed": true }],
    })
}

/// A body with a manifest and a picture of each flow; the stripe of the pictures is at `row`.
pub(crate) fn body(repository: &str, head: &str, flows: &[&str], row: u32) -> Value {
    let pictures: Vec<(&str, Vec<u8>)> =
        (1..).zip(flows).map(|(shade, flow)| (*flow, picture(shade * 20, row))).collect();
    let manifests: Vec<Value> = pictures.iter().map(|(flow, bytes)| manifest(flow, head, bytes)).collect();
    let files: Vec<Value> = pictures
        .iter()
        .map(|(flow, bytes)| json!({ "path": format!("{flow}-1.png"), "content": STANDARD.encode(bytes) }))
        .collect();
    json!({ "repository": repository, "head_sha": head, "manifests": manifests, "files": files })
}
