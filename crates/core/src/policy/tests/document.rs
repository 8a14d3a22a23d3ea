//! What a policy document may say.

use proptest::prelude::*;

use super::*;
use crate::merge_method::MergeMethod;

#[track_caller]
fn refused(from: &str, to: &str, pointer: &str) {
    assert!(SEED.contains(from), "{from}");
    assert_eq!(Policy::parse(SEED.replacen(from, to, 1).as_bytes()).unwrap_err().pointer, pointer);
}

#[test]
fn the_sample_policy_loads_without_a_warning() {
    let policy = Policy::parse(SEED.as_bytes()).unwrap();
    assert_eq!(policy.warnings(), Vec::<String>::new());
    assert_eq!(policy.digest().len(), 64);
    assert_eq!(policy.harness_gaps()[0].limit_minutes, 48 * 60);
    let ecm = "ecm".parse().unwrap();
    assert_eq!(policy.demands(&ecm, Tier::Medium), policy.demands(&ecm, Tier::High));
}

#[test]
fn an_invalid_policy_is_refused_with_a_pointer() {
    refused(r#""medium": ["#, r#""meduim": ["#, "/products/wealth/riskTierRules/meduim");
    refused(
        r#""requiredApprovals": 2"#,
        r#""requiredApproval": 2"#,
        "/products/wealth/mergePolicy/critical/requiredApproval",
    );
    refused(
        r#""requiredApprovals": 2"#,
        r#""requiredApprovals": -1"#,
        "/products/wealth/mergePolicy/critical/requiredApprovals",
    );
    refused(r#""api/v1/trades/**""#, r#""/api""#, "/products/wealth/riskTierRules/critical/0");
    refused(r#""version": "1""#, r#""version": "2""#, "/version");
    refused(r#""ecm": {"#, r#""wealth": {"#, "/products/wealth");
    refused(r#""products": {"#, r#""goods": {"#, "");
    assert!(Policy::parse(&vec![b' '; 256 * 1024 + 1]).unwrap_err().message.contains("limit"));
    assert!(Policy::parse(b"{").is_err());
    assert!(Policy::parse(b"[[[[").is_err());
}

#[test]
fn a_wrong_encoding_is_named() {
    let refusal = |bytes: &[u8]| Policy::parse(bytes).unwrap_err().message;
    let marked = [&b"\xEF\xBB\xBF"[..], SEED.as_bytes()].concat();
    assert!(refusal(&marked).contains("byte order mark"), "{}", refusal(&marked));
    let wide: Vec<u8> = SEED.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(refusal(&wide).contains("UTF-16"), "{}", refusal(&wide));
    let latin: Vec<u8> = SEED.replace("channels", "caf\u{fffd}").into_bytes();
    assert!(refusal(&latin).contains("not UTF-8"), "{}", refusal(&latin));
    assert!(refusal(b"{\"a\": \"caf\xe9\"}").contains("not UTF-8"));
    assert_eq!(refusal(b" \n"), "is empty");
}

#[test]
fn an_odd_policy_that_works_gives_a_warning() {
    let warns = |from: &str, to: &str, word: &str| {
        let policy = Policy::parse(SEED.replacen(from, to, 1).as_bytes()).unwrap();
        assert!(policy.warnings().iter().any(|warning| warning.contains(word)), "{:?}", policy.warnings());
    };
    warns(r#""channels/**""#, r#""api/v1/x/**""#, "decides nothing");
    warns(r#""channels/**""#, r#""chan**s""#, "one star");
    warns(r#""docsDriftRules": {"#, r#""other": 1, "docsDriftRules": {"#, "/other");
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Policy::parse(&bytes);
    }
}

#[test]
fn a_policy_may_name_the_merge_method_of_a_product() {
    let with = |method: &str| {
        SEED.replacen("\"wealth\": {", &format!("\"wealth\": {{\n \"mergeMethod\": {method},"), 1)
    };
    let policy = Policy::parse(with("\"squash\"").as_bytes()).unwrap();
    let of = |name: &str| policy.merge_method(&name.parse().unwrap());
    assert_eq!((of("wealth"), of("ecm"), of("other")), (Some(MergeMethod::Squash), None, None));
    assert_eq!(policy.warnings(), Policy::parse(SEED.as_bytes()).unwrap().warnings());
    for wrong in ["\"fast-forward\"", "1"] {
        let refused = Policy::parse(with(wrong).as_bytes()).unwrap_err();
        assert_eq!(refused.pointer, "/products/wealth/mergeMethod", "{refused}");
    }
    let mut facts = facts(LOW);
    let method = |facts: &Facts| judge(facts).clearance().unwrap().merge_method();
    assert_eq!(method(&facts), None);
    facts.head_policy = Some(with("\"rebase\""));
    facts.approvals.push(approval(3, "cat"));
    facts.base_policy = Some(with("\"squash\""));
    assert_eq!(method(&facts), Some(MergeMethod::Squash), "the base's policy decides, never the head's");
}
