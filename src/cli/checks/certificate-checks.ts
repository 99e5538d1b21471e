/** What `check` finds about the certificate that the server itself would show. */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { CliError, failingAs } from "../cli-error.js";
import type { Found } from "./finding.js";

const day = 86_400_000;
const notice = 14; // days before it ends

const mismatch =
  "the key of --tls-key is not that of the certificate: give the two that belong together";

interface Pem {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Throws a `CliError` when a server could not even start with them. */
export async function checkPair(tls: Pem): Promise<void> {
  const { certificate, key } = await readPair(tls);
  if (!certificate.checkPrivateKey(key)) throw new CliError("configuration", mismatch);
}

async function readPair(
  tls: Pem,
): Promise<{ readonly certificate: X509Certificate; readonly key: KeyObject }> {
  const certificate = await failingAs(
    "configuration",
    "what --tls-cert names is no certificate: ",
    () => new X509Certificate(tls.cert),
  );
  const key = await failingAs("configuration", "what --tls-key names is no key: ", () =>
    createPrivateKey(tls.key),
  );
  return { certificate, key };
}

/** In PEM. `host`: the name by which clients reach the server, if that is known. */
export async function certificateAdvice(
  tls: Pem,
  host: string | undefined,
  now = Date.now(),
): Promise<Found> {
  const { certificate, key } = await readPair(tls);
  const daysLeft = Math.floor((Date.parse(certificate.validTo) - now) / day);
  const unsafe: readonly (readonly [boolean, string])[] = [
    [!certificate.checkPrivateKey(key), mismatch],
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
    ...unsafe
      .filter(([isThere]) => isThere)
      .map(([, advice]) => ({ level: "unsafe" as const, advice })),
    ...(daysLeft >= 0 && daysLeft < notice ? [{ level: "warning" as const, advice: ending }] : []),
  ];
}
