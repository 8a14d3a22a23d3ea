//! Paths that control more than the product: the factory, the forge, builds elsewhere, agents, test runners.
//!
//! One table for two uses: the floor under every policy, and the paths that no agent may write. Paths are compared
//! as a system that ignores letter case compares them.

mod shadow;
mod table;

use std::sync::LazyLock;

use crate::glob::Patterns;
pub(crate) use shadow::{SHADOWS, shadows};

/// How much a path controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// It takes part in builds or tests: at least high.
    Build,
    /// It decides what runs, or who decides: critical, for people alone.
    Control,
}

/// Rules of one class and the paths that they are about.
struct Rule {
    class: Class,
    /// What such a path does, with examples.
    words: &'static str,
    /// Globs in lower case; `**/` in front also matches at the root.
    globs: &'static [&'static str],
}

/// The rules as one set of patterns, and the rule of each pattern.
struct Compiled {
    patterns: Patterns,
    rules: Vec<&'static Rule>,
}

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| {
    let each = || table::RULES.iter().flat_map(|rule| rule.globs.iter().map(move |glob| (rule, *glob)));
    let texts = each().map(|(_, glob)| glob.to_owned()).collect();
    // Every glob is a constant, and a test compiles them.
    let patterns = Patterns::new(texts).expect("the globs of the table compile");
    Compiled { patterns, rules: each().map(|(rule, _)| rule).collect() }
});

/// The strictest rule about a path, which is given [folded](crate::path::fold).
pub(crate) fn rule(folded: &str) -> Option<(Class, &'static str)> {
    let rules = COMPILED.patterns.matching(folded).into_iter().map(|index| COMPILED.rules[index]);
    // Of one class, the first in the table.
    let strictest = rules.reduce(|known, rule| if rule.class > known.class { rule } else { known });
    strictest.map(|rule| (rule.class, rule.words))
}

/// Whether a path decides what a test runner runs and counts. It is given [folded](crate::path::fold).
pub(crate) fn is_of_runner(folded: &str) -> bool {
    let rules = COMPILED.patterns.matching(folded).into_iter().map(|index| COMPILED.rules[index]);
    rules.into_iter().any(|rule| rule.words == table::RUNNERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::fold;

    #[test]
    fn what_configures_a_test_runner_is_known() {
        assert!(is_of_runner("pytest.ini") && is_of_runner("web/jest.config.ts"));
        assert!(!is_of_runner("makefile") && !is_of_runner(".github/workflows/ci.yml"));
    }

    #[track_caller]
    fn check(paths: &[&str], class: Option<Class>) {
        for path in paths {
            assert_eq!(rule(&fold(path)).map(|(class, _)| class), class, "{path}");
        }
    }

    #[test]
    fn m6_what_runs_elsewhere_is_control() {
        check(
            &[
                ".circleci/config.yml",
                "Jenkinsfile",
                ".pre-commit-config.yaml",
                ".vscode/tasks.json",
                ".devcontainer/devcontainer.json",
                ".envrc",
                ".mcp.json",
                ".cursorrules",
                "GEMINI.md",
            ],
            Some(Class::Control),
        );
        check(&["Makefile", "Dockerfile", "conftest.py"], Some(Class::Build));
    }

    #[test]
    fn every_makers_ci_is_control_in_every_folder_and_letter_case() {
        check(
            &[
                ".gitlab-ci.yml",
                "azure-pipelines.yml",
                "azure-pipelines-release.yaml",
                ".buildkite/pipeline.yml",
                ".travis.yml",
                "bitbucket-pipelines.yml",
                ".drone.yml",
                ".drone.star",
                "appveyor.yml",
                ".appveyor.yml",
                ".woodpecker.yml",
                ".woodpecker/test.yaml",
                ".semaphore/semaphore.yml",
                "codemagic.yaml",
                "cloudbuild.yaml",
                "deploy/cloudbuild-prod.yml",
                "buildspec.yml",
                ".teamcity/settings.kts",
                ".cirrus.yml",
                ".tekton/push.yaml",
                "ci/Jenkinsfile.release",
                "sub/.CircleCI/config.yml",
                "sub/JENKINSFILE",
                ".builds/alpine.yml",
                "netlify.toml",
                "vercel.json",
                ".forgejo/workflows/a.yml",
                ".gitea/workflows/a.yml",
                ".mergify.yml",
                "renovate.json5",
            ],
            Some(Class::Control),
        );
    }

    #[test]
    fn editors_hooks_agents_and_runners_are_control() {
        check(
            &[
                ".idea/workspace.xml",
                ".run/tests.run.xml",
                "app.code-workspace",
                ".zed/tasks.json",
                ".exrc",
                ".husky/pre-push",
                "lefthook.yml",
                ".lefthook.toml",
                ".pre-commit-hooks.yaml",
                ".overcommit.yml",
                ".env",
                ".env.production",
                "mise.toml",
                ".tool-versions",
                "AGENTS.md",
                "sub/CLAUDE.md",
                "CLAUDE.local.md",
                ".windsurfrules",
                ".clinerules/a.md",
                ".aider.conf.yml",
                ".codex/config.toml",
                ".kiro/steering/a.md",
                "opencode.json",
                ".github/copilot-instructions.md",
                "rules/style.mdc",
                ".npmrc",
                ".yarnrc.yml",
                ".yarn/releases/yarn.cjs",
                ".pnpmfile.cjs",
                ".cargo/config.toml",
                "pip.conf",
                ".pypirc",
                "gradlew",
                "gradle/wrapper/gradle-wrapper.properties",
                "bunfig.toml",
                "pytest.ini",
                "tox.ini",
                "noxfile.py",
                ".coveragerc",
                "jest.config.ts",
                "web/vitest.config.mts",
                "playwright.config.ts",
                ".mocharc.json",
                "karma.conf.js",
                "phpunit.xml.dist",
                ".rspec",
                ".config/nextest.toml",
                "a.runsettings",
                "node_modules/vitest/index.js",
            ],
            Some(Class::Control),
        );
    }

    #[test]
    fn builds_and_what_test_runners_load_are_build() {
        check(
            &[
                "sub/makefile",
                "rules.mk",
                "Dockerfile.dev",
                "web.dockerfile",
                "compose.yaml",
                "compose.dev.yml",
                "docker-compose.override.yml",
                "build.rs",
                "crates/a/build.rs",
                "CMakeLists.txt",
                "BUILD.bazel",
                "justfile",
                "Taskfile.yml",
                "Rakefile",
                "gulpfile.mjs",
                "webpack.config.js",
                "vite.config.ts",
                "build.gradle.kts",
                "app.csproj",
                "Directory.Build.props",
                "tests/conftest.py",
                "tests/__init__.py",
                "a/tests/b/__init__.py",
                "tests/__main__.py",
                "spec/spec_helper.rb",
                "Procfile",
            ],
            Some(Class::Build),
        );
    }

    #[test]
    fn ordinary_files_are_neither() {
        check(
            &[
                "src/main.rs",
                "README.md",
                "docs/agents.md.txt",
                "src/claude.rs",
                "lib/__init__.py",
                "lib/env.py",
                "env/a.py",
                "makefile_notes.md",
                "tests/test_a.py",
                "src/build/mod.rs",
                "docs/dockerfile/intro.md",
                "src/github/mod.rs",
                ".env.example",
                "src/jest/a.js",
                "cursor/rules",
                "app/compose.py",
            ],
            None,
        );
    }

    #[test]
    fn every_glob_of_the_table_is_one_that_a_policy_could_hold() {
        for glob in table::RULES.iter().flat_map(|rule| rule.globs) {
            assert_eq!(crate::glob::refusal(glob), None, "{glob}");
            assert_eq!(fold(glob), *glob, "{glob}: paths are compared folded");
        }
    }
}
