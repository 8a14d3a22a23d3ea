// What the environment says.

/** The value of a variable; without it the service cannot start. */
export function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`npm run serve\` starts the service with all that it needs`);
  return value;
}
