//! Which patterns of a policy match no file of a repository, and what their authors may have meant.

use std::collections::BTreeSet;

use super::rules::{Policy, ProductRules};
use crate::{glob::Patterns, requirement::ProductName};

impl Policy {
    /// One sentence for each pattern that matches none of these files, in the policy's order. A pattern may well
    /// be for files that are still to come; that is for its author to say.
    #[must_use]
    pub fn unmatched(&self, files: &[String]) -> Vec<String> {
        self.unmatched_by(self.products.values(), files)
    }

    /// As [`Policy::unmatched`], of the patterns by which a change of these products is judged.
    #[must_use]
    pub fn unmatched_of(&self, products: &[ProductName], files: &[String]) -> Vec<String> {
        self.unmatched_by(self.of(products).into_iter(), files)
    }

    fn unmatched_by<'a>(
        &self,
        products: impl Iterator<Item = &'a ProductRules>,
        files: &[String],
    ) -> Vec<String> {
        let of_products = products.flat_map(|rules| of_product(rules, files));
        let of_docs = [("requireDocsUpdate", &self.docs.require), ("docsFiles", &self.docs.files)]
            .into_iter()
            .flat_map(|(name, patterns)| unmatched(name, patterns, files));
        of_products.chain(of_docs).collect()
    }
}

fn of_product(rules: &ProductRules, files: &[String]) -> Vec<String> {
    unmatched(rules.name.as_str(), &rules.patterns, files)
}

fn unmatched(name: &str, patterns: &Patterns, files: &[String]) -> Vec<String> {
    let matched: BTreeSet<usize> = files.iter().flat_map(|file| patterns.matching(file)).collect();
    let texts = patterns.texts().iter().enumerate().filter(|(index, _)| !matched.contains(index));
    let sentence = |(index, text): (usize, &String)| {
        let meant = below(text, files)
            .or_else(|| in_another_case(index, patterns, files))
            .or_else(|| in_another_folder(text, files));
        format!("{name}: `{text}` matches no file{}", meant.unwrap_or_default())
    };
    texts.map(sentence).collect()
}

fn below(text: &str, files: &[String]) -> Option<String> {
    let folder = text.strip_suffix("/*").unwrap_or(text);
    let inside = |file: &&String| file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let count = files.iter().filter(inside).count();
    let files = crate::words::counted(count, "file");
    (count > 0).then(|| format!("; {files} below that folder: write `{folder}/**`"))
}

fn in_another_case(index: usize, patterns: &Patterns, files: &[String]) -> Option<String> {
    let matches = |file: &&String| {
        patterns.matching_in_any_case(file).is_some_and(|matching| matching.contains(&index))
    };
    files.iter().find(matches).map(|file| format!("; but for letter case it matches {file:?}"))
}

fn in_another_folder(text: &str, files: &[String]) -> Option<String> {
    let anywhere = format!("**/{text}");
    let patterns = Patterns::new(vec![anywhere.clone()]).ok()?;
    let file = files.iter().find(|file| patterns.is_match(file))?;
    Some(format!("; write `{anywhere}` for {file:?}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::SEED;
    use super::*;

    #[test]
    fn a_pattern_without_a_file_is_named_with_what_may_be_meant() {
        let policy = SEED
            .replace("channels/**", "services/login")
            .replace("formatters/**", "Services/x/**")
            .replace("lib/kelly_criterion.py", "kelly_criterion.py");
        let files = ["services/login/a.py", "services/x/a.py", "lib/kelly_criterion.py", "docs/API.md"];
        let unmatched = Policy::parse(policy.as_bytes()).unwrap().unmatched(&files.map(str::to_owned));
        let check = |said: &str| assert!(unmatched.iter().any(|line| line == said), "{said}: {unmatched:#?}");
        check(
            "wealth: `services/login` matches no file; 1 file below that folder: write `services/login/**`",
        );
        check(r#"wealth: `Services/x/**` matches no file; but for letter case it matches "services/x/a.py""#);
        check(
            r#"wealth: `kelly_criterion.py` matches no file; write `**/kelly_criterion.py` for "lib/kelly_criterion.py""#,
        );
        check("wealth: `db/migrations/**` matches no file");
        assert!(!unmatched.iter().any(|line| line.contains("docs/API.md")), "{unmatched:#?}");
    }
}
