/** `typ` values are media types without regard to case, whose `application/` may be left out (RFC 7515 §4.1.9). */
export function normalizeType(type: string): string {
  const lower = type.toLowerCase();
  return lower.includes("/") ? lower : `application/${lower}`;
}
