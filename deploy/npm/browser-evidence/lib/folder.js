// Where evidence is.
import { join, resolve } from "node:path";

/** The folder of the evidence: `EVIDENCE_DIR`, else `tests/evidence`. */
export const folder = resolve(process.env.EVIDENCE_DIR || join("tests", "evidence"));
