/**
 * Fills `defaults` with the options that are given, and returns it. Its members are all options
 * that exist. Throws a `TypeError` for another one, which would be ignored, and for a number that
 * is not more than 0, since 0 never means that there is no limit.
 */
export function withDefaults<Defaults extends object>(
  options: object,
  defaults: Defaults,
): Defaults {
  for (const [name, value] of Object.entries(options)) {
    const isKnown = Object.hasOwn(defaults, name);
    if (!isKnown || (typeof value === "number" && !(value > 0)))
      throw new TypeError(
        `option ${name}: not ${isKnown ? `${value}; no limit: Infinity` : `one of ${Object.keys(defaults)}`}`,
      );
    defaults[name as keyof Defaults] = value ?? defaults[name as keyof Defaults];
  }
  return defaults;
}
