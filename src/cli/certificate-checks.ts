/** What `check` finds about the certificate that the server itself would show. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { failingAs } from "./cli-error.js";
import type { Found } from "./finding.js";

const day = 86_400_000;
const notice = 14; // days before it ends

/** In PEM. `host`: the name by which clients reach the server, if that is known. */
export async function certificateAdvice(
  tls: { readonly cert: Buffer; readonly key: Buffer },
  host: string | undefined,
  now = Date.now(),
): Promise<Found> {
  const certificate = await failingAs("configuration", "what --tls-cert names is no certificate: ", () => new X509Certificate(tls.cert));
  const key = await failingAs("configuration", "what --tls-key names is no key: ", () => createPrivateKey(tls.key));
  const daysLeft = Math.floor((Date.parse(certificate.validTo) - now) / day);
  const unsafe: readonly (readonly [boolean, string])[] = [
    [!certificate.checkPrivateKey(key), "the key of --tls-key is not that of the certificate: give the two that belong together"],
    [daysLeft < 0, `the certificate has ended on ${certificate.validTo}: renew it`],
    [
      Date.parse(certificate.validFrom) > now,
      `the certificate is not valid before ${certificate.validFrom}: is this machine's clock right?`,
    ],
    [
      host !== undefined && certificate.checkHost(host) === undefined,
      `the certificate is not for ${host}, where clients come by --issuer, but for ${certificate.subjectAltName ?? certificate.subject}: get one with that name`,
    ],
  ];
  const ending = `the certificate ends in ${daysLeft} days, and is read at the start only: renew it, and start the server anew`;
  return [
    ...unsafe.filter(([isThere]) => isThere).map(([, advice]) => ({ level: "unsafe" as const, advice })),
    ...(daysLeft >= 0 && daysLeft < notice ? [{ level: "warning" as const, advice: ending }] : []),
  ];
}
