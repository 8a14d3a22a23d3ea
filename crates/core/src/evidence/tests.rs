use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;

const HEAD: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";
const FLOW: &str = "portfolio-view";

/// A grey picture of 16 by 16 pixels, made by hand; `shade` tells pictures apart.
fn png(shade: u8) -> Vec<u8> {
    let rows: Vec<u8> = (0..16).flat_map(|_| std::iter::once(0).chain([shade; 16])).collect();
    let mut zlib = vec![0x78, 0x01, 0x01];
    zlib.extend(u16::try_from(rows.len()).unwrap().to_le_bytes());
    zlib.extend((!u16::try_from(rows.len()).unwrap()).to_le_bytes());
    zlib.extend(&rows);
    zlib.extend(adler(&rows).to_be_bytes());
    let mut header = Vec::new();
    header.extend(16_u32.to_be_bytes());
    header.extend(16_u32.to_be_bytes());
    header.extend([8, 0, 0, 0, 0]);
    let signature = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a].to_vec();
    [signature, chunk(*b"IHDR", &header), chunk(*b"IDAT", &zlib), chunk(*b"IEND", &[])].concat()
}

fn chunk(kind: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap().to_be_bytes();
    let checked = [&kind[..], data].concat();
    let sum = super::png::checksum(&checked).to_be_bytes();
    [&length[..], &checked, &sum].concat()
}

fn adler(bytes: &[u8]) -> u32 {
    let (low, high) = bytes.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    high << 16 | low
}

fn now() -> DateTime<Utc> {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

/// A manifest that holds, of a flow with one picture.
fn manifest(flow: &str, picture: &[u8]) -> Value {
    json!({
        "version": 1, "flow": flow, "entrypoint": "/dashboard", "identity": "priya@aspora.com",
        "head_sha": HEAD, "captured_at": now() - Duration::minutes(2),
        "assertions": [{ "name": "portfolio_value_displayed", "passed": true }],
        "screenshots": [{
            "path": format!("{flow}-1.png"), "sha256": hex::encode(Sha256::digest(picture)), "bytes": picture.len(),
        }],
        "console_errors": [],
        "observed": { "entrypoint": "/dashboard", "identity": true, "failed_requests": [], "browser": "chromium 131.0" },
        "tests": [{ "title": "shows the portfolio", "passed": true }],
    })
}

/// An upload of one or two flows, which each test damages.
struct Forged {
    manifests: Vec<Value>,
    files: BTreeMap<String, Vec<u8>>,
    demand: Demand,
}

fn honest() -> Forged {
    let picture = png(7);
    Forged {
        manifests: vec![manifest(FLOW, &picture)],
        files: BTreeMap::from([(format!("{FLOW}-1.png"), picture)]),
        demand: Demand {
            required_flows: vec![FLOW.to_owned()],
            assertion_checks: vec!["portfolio_value_displayed".to_owned()],
        },
    }
}

impl Forged {
    fn judged(&self) -> Verified {
        let read = |value: &Value| Manifest::parse(&serde_json::to_vec(value).unwrap()).unwrap();
        let manifests: Vec<Manifest> = self.manifests.iter().map(read).collect();
        let head = HEAD.parse().unwrap();
        let upload = Upload { head: &head, arrived_at: now(), manifests: &manifests, files: &self.files };
        verify(&upload).under(&self.demand)
    }

    /// Puts another picture in the place of the first, as the manifest declares it.
    fn replace_picture(&mut self, picture: Vec<u8>) {
        let declared = &mut self.manifests[0]["screenshots"][0];
        declared["sha256"] = hex::encode(Sha256::digest(&picture)).into();
        declared["bytes"] = picture.len().into();
        self.files.insert(format!("{FLOW}-1.png"), picture);
    }
}

#[test]
fn honest_evidence_holds() {
    let judged = honest().judged();
    assert!(judged.holds(), "{judged:?}");
    assert_eq!(judged.sentence(), "verified: 1 flow");
    // Of the very head it is fresh however old it is, and a clock may be a little ahead.
    for minutes in [-4, 31, 600] {
        let mut it = honest();
        it.manifests[0]["captured_at"] = json!(now() - Duration::minutes(minutes));
        assert!(it.judged().holds(), "{minutes}");
    }
}

/// Damages honest evidence; its one fault says `expected`, and is of `of`.
#[track_caller]
fn check(damage: impl FnOnce(&mut Forged), of: FaultOf, expected: &str) {
    let mut forged = honest();
    damage(&mut forged);
    let judged = forged.judged();
    assert!(!judged.holds());
    let faults = judged.faults();
    let texts: Vec<&str> = faults.iter().map(|it| it.text.as_str()).collect();
    assert_eq!(texts, [expected]);
    assert_eq!((faults[0].of, judged.sentence()), (of, expected.to_owned()));
}

use FaultOf::{Capture, Product};

fn set(pointer: &'static str, value: Value) -> impl FnOnce(&mut Forged) {
    move |it| *it.manifests[0].pointer_mut(pointer).unwrap() = value
}

#[test]
fn a_capture_of_something_else_is_refused_with_its_reason() {
    let other = "portfolio-view: is of 2222222, not of the head 1111111; capture the head";
    check(set("/head_sha", json!(OTHER)), Capture, other);
    let early = "portfolio-view: was captured 6 minutes in the future; set the clock of the machine";
    check(set("/captured_at", json!(now() + Duration::minutes(6))), Capture, early);
    let none = "portfolio-view: reached no page; it is declared to begin at /dashboard";
    check(set("/observed/entrypoint", Value::Null), Product, none);
    let elsewhere =
        "portfolio-view: began at /sign-in, not at /dashboard as declared; begin there or declare it";
    check(set("/observed/entrypoint", json!("/sign-in")), Product, elsewhere);
    let identity =
        "portfolio-view: did not show priya@aspora.com on the page; sign in as it, and show who is signed in";
    check(set("/observed/identity", json!(false)), Product, identity);
    check(set("/observed/identity", Value::Null), Product, identity);
    let undeclared = "portfolio-view: observed an identity and declares none; declare who is signed in";
    check(set("/identity", Value::Null), Capture, undeclared);
}

#[test]
fn an_old_capture_of_another_commit_has_two_faults() {
    let mut it = honest();
    it.manifests[0]["head_sha"] = json!(OTHER);
    it.manifests[0]["captured_at"] = json!(now() - Duration::minutes(31));
    let faults = it.judged().faults();
    assert_eq!(faults[1].text, "portfolio-view: was captured 31 minutes before it came; the limit is 30");
    it.manifests[0]["captured_at"] = json!(now() - Duration::minutes(30));
    assert_eq!(it.judged().faults().len(), 1);
}

#[test]
fn a_page_that_does_not_do_it_is_refused_with_its_reason() {
    check(
        set("/assertions/0/passed", json!(false)),
        Product,
        "portfolio-view: the assertion portfolio_value_displayed did not pass; make the page do what it says",
    );
    check(
        set("/assertions/0/name", json!("anything")),
        Product,
        "portfolio-view: the policy demands the assertion portfolio_value_displayed; assert it in the flow's test",
    );
    check(
        set("/console_errors", json!(["TypeError: x\nis undefined", "b", "c", "d"])),
        Product,
        "portfolio-view: the console has errors: \"TypeError: x is undefined\", \"b\", \"c\" and 1 more; repair what \
         causes them",
    );
    check(
        set("/observed/failed_requests", json!(["GET /api/v1/x: 500"])),
        Product,
        "portfolio-view: requests failed: \"GET /api/v1/x: 500\"; make them succeed",
    );
    check(
        set("/tests/0/passed", json!(false)),
        Product,
        "portfolio-view: the test \"shows the portfolio\" failed; make it pass",
    );
    check(set("/tests", json!([])), Product, "portfolio-view: no test added to it; capture it in a test");
    let mut it = honest();
    it.manifests[0]["assertions"] = json!([]);
    it.demand.assertion_checks.clear();
    assert_eq!(it.judged().sentence(), "portfolio-view: asserts nothing; name in its test what must be seen");
}

#[test]
fn a_flow_comes_once_and_every_required_one_comes() {
    check(
        |it| it.demand.required_flows.push("trade-execution".to_owned()),
        Capture,
        "trade-execution: is required by the policy and did not come; capture this flow too",
    );
    check(
        |it| it.manifests.push(it.manifests[0].clone()),
        Capture,
        "portfolio-view: came in 2 manifests; write one for each flow",
    );
    let nothing = verify(&Upload {
        head: &HEAD.parse().unwrap(),
        arrived_at: now(),
        manifests: &[],
        files: &BTreeMap::new(),
    });
    let judged = nothing.under(&Demand::default());
    assert_eq!((judged.holds(), judged.sentence().as_str()), (false, "no flow came; capture one at least"));
}

#[test]
fn a_forged_picture_is_refused_with_its_reason() {
    let again =
        |what: &str| format!("portfolio-view: the screenshot portfolio-view-1.png {what}; capture it again");
    check(|it| it.files.clear(), Capture, &again("did not come with the manifest"));
    let zeros = json!("0".repeat(64));
    check(set("/screenshots/0/sha256", zeros), Capture, &again("has another SHA-256 than declared"));
    let size = png(7).len();
    let bytes = format!("has {size} bytes, not 1 as declared");
    check(set("/screenshots/0/bytes", json!(1)), Capture, &again(&bytes));
    check(set("/screenshots", json!([])), Capture, "portfolio-view: has no screenshot; take one at least");
    let cases: [(Vec<u8>, &str); 7] = [
        (b"GIF89a".to_vec(), "has no PNG signature"),
        (png(7)[..png(7).len() - 1].to_vec(), "is cut off"),
        (png(7)[..png(7).len() - 12].to_vec(), "is cut off"),
        ([png(7), b"<script>".to_vec()].concat(), "goes on after its end"),
        ([&png(7)[..33], &chunk(*b"IEND", &[])].concat(), "has no pixels"),
        ([&png(7)[..8], &png(7)[33..]].concat(), "does not begin with its header"),
        ([&png(7)[..33], &png(7)[8..]].concat(), "has two headers"),
    ];
    for (bytes, what) in cases {
        check(|it| it.replace_picture(bytes), Capture, &again(what));
    }
    let mut damaged = png(7);
    damaged[50] ^= 1;
    check(|it| it.replace_picture(damaged), Capture, &again("has a damaged chunk IDAT"));
}

#[test]
fn a_header_describes_a_plausible_picture() {
    let of = |width: u32, height: u32, rest: [u8; 5]| {
        let data = [&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat();
        let bytes = [&png(7)[..8], &chunk(*b"IHDR", &data), &png(7)[33..]].concat();
        read_png(&bytes)
    };
    assert_eq!(of(1280, 720, [8, 6, 0, 0, 0]), Ok(Size { width: 1280, height: 720 }));
    let small = "is 1 × 720 pixels; a side of a screenshot has 16 to 16384";
    assert_eq!(of(1, 720, [8, 6, 0, 0, 0]), Err(small.to_owned()));
    assert!(of(1280, u32::MAX, [8, 6, 0, 0, 0]).is_err());
    for header in [[4, 2, 0, 0, 0], [8, 5, 0, 0, 0], [8, 6, 1, 0, 0], [8, 6, 0, 1, 0], [8, 6, 0, 0, 2]] {
        assert_eq!(of(64, 64, header), Err("has a header that describes no picture".to_owned()));
    }
}

#[test]
fn one_picture_of_two_pages_is_a_copy() {
    let mut it = honest();
    let picture = png(7);
    let mut trade = manifest("trade-execution", &picture);
    trade["entrypoint"] = json!("/dashboard/trades");
    trade["observed"]["entrypoint"] = json!("/dashboard/trades");
    it.manifests.push(trade);
    it.files.insert("trade-execution-1.png".to_owned(), picture);
    let faults = it.judged().faults();
    assert_eq!(faults.len(), 2);
    let expected = "portfolio-view: the screenshot portfolio-view-1.png is the same as one of trade-execution; capture each flow";
    assert_eq!(faults[0].text, expected);
    // Two flows of one page may end with the same picture.
    for picture in [png(7), png(9)] {
        let mut it = honest();
        it.manifests.push(manifest("trade-execution", &picture));
        it.files.insert("trade-execution-1.png".to_owned(), picture);
        assert!(it.judged().holds());
    }
}

#[track_caller]
fn check_refused(change: impl FnOnce(&mut Value), pointer: &str, message: &str) {
    let mut value = manifest(FLOW, &png(7));
    change(&mut value);
    let refused = Manifest::parse(&serde_json::to_vec(&value).unwrap()).unwrap_err();
    assert_eq!(refused.pointer, pointer);
    assert!(refused.message.contains(message), "{refused}");
}

#[test]
fn what_is_no_manifest_is_refused_with_its_pointer() {
    check_refused(|it| it["assertions_passed"] = json!([]), "/assertions_passed", "unknown field");
    check_refused(|it| it["screenshots"][0]["url"] = json!(""), "/screenshots/0/url", "unknown field");
    check_refused(|it| drop(it.as_object_mut().unwrap().remove("identity")), "", "missing field `identity`");
    check_refused(|it| it["version"] = json!(2), "/version", "must be 1");
    for name in ["", "A", "-a", "a/b", "ä"] {
        check_refused(|it| it["flow"] = json!(name), "/flow", "must be 1 to 100");
    }
    check_refused(|it| it["head_sha"] = json!("abc"), "/head_sha", "40 lower-case");
    check_refused(|it| it["captured_at"] = json!("yesterday"), "/captured_at", "");
    check_refused(|it| it["entrypoint"] = json!("https://x"), "/entrypoint", "begin with `/`");
    for path in ["../a.png", "a/b.png", ".hidden", "", "a b.png"] {
        check_refused(
            |it| it["screenshots"][0]["path"] = json!(path),
            "/screenshots/0/path",
            "plain file name",
        );
    }
    check_refused(|it| it["screenshots"][0]["sha256"] = json!("0"), "/screenshots/0/sha256", "64");
    check_refused(|it| it["screenshots"][0]["bytes"] = json!(1 << 30), "/screenshots/0/bytes", "8388608");
    let many = json!(vec![json!({ "name": "a", "passed": true }); 201]);
    check_refused(|it| it["assertions"] = many, "/assertions", "has 201 entries; the limit is 200");
    let long = json!("a".repeat(501));
    check_refused(|it| it["tests"][0]["title"] = long, "/tests/0/title", "has 501 bytes; the limit is 500");
    check_refused(|it| it["console_errors"] = json!(["\0"]), "/console_errors/0", "NUL");
    check_refused(|it| it["assertions"][0]["passed"] = json!("yes"), "/assertions/0/passed", "boolean");
    assert_eq!(Manifest::parse(b"{}{").unwrap_err().pointer, "");
    let twice = br#"{"version":1,"version":1}"#;
    assert!(Manifest::parse(twice).unwrap_err().message.contains("duplicate"));
}

proptest! {
    #[test]
    fn a_picture_with_one_byte_changed_is_never_accepted(at in 0..png(7).len(), with in 1..=u8::MAX) {
        let mut it = honest();
        it.files.get_mut("portfolio-view-1.png").unwrap()[at] ^= with;
        prop_assert!(!it.judged().holds());
    }

    #[test]
    fn a_picture_with_one_byte_changed_is_no_picture_even_where_its_hash_is_declared(
        at in 0..png(7).len(), with in 1..=u8::MAX,
    ) {
        let mut bytes = png(7);
        bytes[at] ^= with;
        prop_assert!(read_png(&bytes).is_err());
    }

    #[test]
    fn nothing_that_comes_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_png(&[&[0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a][..], &bytes].concat());
        let _ = Manifest::parse(&bytes);
    }
}
