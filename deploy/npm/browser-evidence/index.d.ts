import type { Page } from "@playwright/test";

/** A flow as a test declares it. */
export interface Flow {
  /** Its name: lower-case letters, digits, `.`, `_` and `-`, at most 100. The manifest is `<flow>.manifest.json`. */
  flow: string;
  /** The path of the page at which it begins, such as `/dashboard/portfolio`. A query counts only where it is named here. */
  entrypoint: string;
  /** The account that must be seen as text on the page; without it, none is looked for. */
  requiredIdentity?: string;
  /** The names of what this test asserts. Each must be in `assertions_passed` of `save`, or be checked by `check`. */
  assertions?: string[];
  /** The page of the test. Without it, the page that the test opened last is observed. */
  page?: Page;
  /** Whether a trace is recorded beside the screenshots; `true` unless it is said. Where Playwright records one itself, that one stays. */
  trace?: boolean;
}

/** What a test says when it is through. */
export interface Saved {
  /**
   * The files of screenshots: paths, or names in the folder of the evidence. The page is pictured as it is if there is none.
   * A name with a time of its own, as `Date.now()` makes it, stands for the screenshot of this test whose name differs in that alone.
   */
  screenshots?: string[];
  /** The names of the declared assertions that passed. */
  assertions_passed?: string[];
}

/** Evidence that a test is giving. */
export interface Evidence {
  /** Runs an assertion, and notes under this name whether it passed. What it throws is thrown on. */
  check<T>(name: string, assertion: () => T | Promise<T>): Promise<T>;
  /**
   * Writes the manifest of the flow.
   *
   * @throws when an assertion did not pass, when what was observed speaks against one, or when a screenshot is missing. The
   * manifest is written all the same, and says so.
   */
  save(saved?: Saved): Promise<void>;
}

/**
 * Begins the evidence of a flow. Until `save`, its manifest says that the test failed, and so it does after a test that failed.
 *
 * @throws when the flow is not declared as `Flow` says, or no page can be observed.
 */
export function generateEvidence(flow: Flow): Promise<Evidence>;
