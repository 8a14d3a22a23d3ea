use super::*;

/// The seed with this list of reviewers for `wealth`.
fn with(reviewers: &str) -> Result<Policy, Error> {
    let text = SEED.replacen("\"wealth\": {", &format!("\"wealth\": {{ \"reviewers\": {reviewers},"), 1);
    assert_ne!(text, SEED);
    Policy::parse(text.as_bytes())
}

#[track_caller]
fn refused(reviewers: &str, pointer: &str, message: &str) {
    let error = with(reviewers).unwrap_err();
    assert_eq!(
        (error.pointer.as_str(), error.message.as_str()),
        (format!("/products/wealth/reviewers{pointer}").as_str(), message)
    );
}

#[test]
fn a_policy_names_the_reviewers_of_a_product() {
    let list = r#"[{ "kind": "greptile", "fallback": true, "timeout_minutes": 5 }, { "kind": "builtin", "mode": "advisory" }]"#;
    let policy = with(list).unwrap();
    let of = |name: &str| policy.reviewers(&name.parse().unwrap()).map(<[_]>::len);
    assert_eq!((of("wealth"), of("ecm")), (Some(2), None));
    let seed = Policy::parse(SEED.as_bytes()).unwrap();
    let revised = super::super::revised(&seed, &policy);
    let sentences: Vec<&str> = revised.iter().map(|it| it.sentence.as_str()).collect();
    assert_eq!(sentences, ["wealth: reviewed by `greptile` and `builtin` instead of as the product says"]);
}

#[test]
fn reviewers_that_cannot_be_are_refused_by_pointer() {
    refused("[]", "", "names no reviewer; leave it out for those of the product");
    refused("{}", "", "must be a list");
    refused("[{}]", "/0", "has no `kind`");
    refused(r#"[{ "kind": "greptile", "nmae": "g" }]"#, "/0/nmae", "is not a key of a reviewer");
    refused(r#"[{ "kind": "greptile", "fallback": "yes" }]"#, "/0/fallback", "must be true or false");
    let server = "names a server, which the product's own setting may do only";
    refused(r#"[{ "kind": "http" }]"#, "/0", server);
    let url = "may stand in the product's own setting only: it names a server";
    refused(r#"[{ "kind": "builtin", "url": "https://evil.example" }]"#, "/0/url", url);
    assert!(with(r#"[{ "kind": "oracle" }]"#).is_err());
    assert!(with(r#"[{ "kind": "builtin", "mode": "advisory" }]"#).is_err(), "one must block");
}
