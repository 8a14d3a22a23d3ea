import js from "@eslint/js";

const globals = ["console", "process", "fetch", "URL", "URLSearchParams", "Buffer", "setTimeout", "document", "location"];

export default [
  { ignores: ["coverage/", "node_modules/", "tools/"] },
  js.configs.recommended,
  { languageOptions: { globals: Object.fromEntries(globals.map((name) => [name, "readonly"])) } },
];
