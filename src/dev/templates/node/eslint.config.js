import js from "@eslint/js";

const globals = ["console", "process", "fetch", "URL", "URLSearchParams", "Buffer", "setTimeout", "document", "location"];

export default [
  { ignores: ["coverage/", "node_modules/"] },
  js.configs.recommended,
  { languageOptions: { globals: Object.fromEntries(globals.map((name) => [name, "readonly"])) } },
];
