//! What the CI stand-in searches changed files for: secrets by their form, and calls of Python that run or trust what
//! they are given. It reads lines, not programs; what it does not know it does not find.

/// A literal that is shorter is hardly a secret.
const SHORTEST_SECRET: usize = 8;
/// What the names of secrets contain.
const SECRET_NAMES: [&str; 5] = ["password", "passwd", "secret", "api_key", "token"];
/// Forms of tokens: how they begin, and how many letters and digits follow at least.
const TOKENS: [(&str, usize, &str); 6] = [
    ("AKIA", 16, "an AWS access key"),
    ("ghp_", 36, "a GitHub token"),
    ("github_pat_", 22, "a GitHub token"),
    ("sk_live_", 16, "a Stripe key"),
    ("xoxb-", 10, "a Slack token"),
    ("AIza", 35, "a Google API key"),
];
/// Calls and arguments of Python, and why each is dangerous.
const CALLS: [(&str, &str); 12] = [
    ("eval(", "runs a text as a program"),
    ("exec(", "runs a text as a program"),
    ("os.system(", "runs a text in a shell"),
    ("os.popen(", "runs a text in a shell"),
    ("shell=True", "runs a text in a shell"),
    ("pickle.load(", "runs what the data says"),
    ("pickle.loads(", "runs what the data says"),
    ("marshal.loads(", "trusts the data"),
    ("yaml.load(", "runs what the data says; use yaml.safe_load"),
    ("verify=False", "accepts any certificate"),
    ("hashlib.md5(", "is broken as a digest"),
    ("tempfile.mktemp(", "lets another program take the file"),
];

/// What a file contains that it should not: the line, from 1, and what it is.
pub(super) fn hits(path: &str, text: &str) -> Vec<(usize, String)> {
    let is_python = path.ends_with(".py");
    let mut hits = Vec::new();
    for (at, line) in text.lines().enumerate() {
        hits.extend(secret(line).map(|what| (at + 1, what)));
        if is_python && !line.trim_start().starts_with('#') {
            hits.extend(call(line).map(|what| (at + 1, what)));
        }
    }
    hits
}

fn secret(line: &str) -> Option<String> {
    if line.contains("-----BEGIN ") && line.contains("PRIVATE KEY-----") {
        return Some("a private key".to_owned());
    }
    let is_token = |(begin, least, _): &&(&str, usize, &str)| {
        let rest = |(at, _)| &line[at + begin.len()..];
        let long = |rest: &str| rest.bytes().take_while(u8::is_ascii_alphanumeric).count() >= *least;
        line.match_indices(begin).map(rest).any(long)
    };
    let token = TOKENS.iter().find(is_token).map(|(_, _, what)| (*what).to_owned());
    token.or_else(|| assigned(line))
}

/// A literal that is assigned to the name of a secret: `password = "…"`, `"api_key": "…"`.
fn assigned(line: &str) -> Option<String> {
    let (name, value) = line.split_once(['=', ':'])?;
    let name = name.trim().trim_matches(['"', '\'']);
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let lower = name.to_ascii_lowercase();
    let is_secret = is_name && SECRET_NAMES.iter().any(|known| lower.contains(known));
    let value = value.trim().trim_end_matches([',', ';']);
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
    let literal = value.strip_prefix(quote)?.strip_suffix(quote)?;
    let fits = literal.len() >= SHORTEST_SECRET && !literal.contains([' ', '{', '$', '<']);
    (is_secret && fits).then(|| format!("a literal as `{name}`"))
}

fn call(line: &str) -> Option<String> {
    let is_whole = |at: usize| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '_' | '.'))
    };
    let is_called = |(call, _): &&(&str, &str)| line.match_indices(call).any(|(at, _)| is_whole(at));
    let (call, why) = CALLS.iter().find(is_called)?;
    Some(format!("`{}` {why}", call.trim_end_matches('(')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, line: &str, expected: Option<&str>) {
        let found = hits(path, &format!("# first\n{line}\n"));
        let found: Vec<_> = found.iter().map(|(line, what)| (*line, what.as_str())).collect();
        assert_eq!(found, expected.map(|what| (2, what)).into_iter().collect::<Vec<_>>(), "{line}");
    }

    #[test]
    fn a_secret_is_found_by_its_form_or_its_name() {
        check("a.txt", "-----BEGIN RSA PRIVATE KEY-----", Some("a private key"));
        check("a.txt", &format!("key AKIA{}", "A1".repeat(8)), Some("an AWS access key"));
        check("a.py", &format!("KEY = 'ghp_{}'", "A1".repeat(18)), Some("a GitHub token"));
        check("a.py", "db_password = \"correct-horse\"", Some("a literal as `db_password`"));
        check("a.json", "  \"api_key\": \"0123456789\",", Some("a literal as `api_key`"));
        check("a.py", "password = os.environ[\"PASSWORD\"]", None);
        check("a.py", "token = \"short\"", None);
        check("a.py", "token = f\"{name} is used\"", None);
        check("a.py", "title = \"a long title here\"", None);
    }

    #[test]
    fn a_dangerous_call_is_found_in_python_alone() {
        check("a.py", "    return eval(text)", Some("`eval` runs a text as a program"));
        check("a.py", "subprocess.run(line, shell=True)", Some("`shell=True` runs a text in a shell"));
        check("a.py", "os.system(line)", Some("`os.system` runs a text in a shell"));
        check("a.py", "model.eval()", None);
        check("a.py", "retrieval(text)", None);
        check("a.py", "# eval(text)", None);
        check("a.md", "eval(text)", None);
    }
}
