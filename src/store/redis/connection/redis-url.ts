/**
 * Throws `TypeError` for a URL that can't be meant. It never says the URL: with a `/` or `#` in a password that is not encoded, a part of
 * the password stands where the host or the number of the database should.
 */
export function checkRedisUrl(url: string): void {
  if (typeof url !== "string" || !/^(rediss?|unix):/.test(url)) throw new TypeError("url must begin with redis:, rediss: or unix:");
  if (url.startsWith("unix:") || isWhole(url)) return;
  throw new TypeError(
    "url must be like redis://user:password@host:6379/0, with %2F for /, %40 for @, %23 for # and %3F for ? in the password",
  );
}

function isWhole(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { hostname, pathname, search, hash } = new URL(url);
  return hostname !== "" && /^(\/\d*)?$/.test(pathname) && hash === "" && !search.includes("@");
}
