interface Report {
  readonly userLimits?: { readonly open_files?: { readonly soft?: unknown } };
}

let known: { readonly limit: number | undefined } | undefined; // asked once: it takes some milliseconds

/** How many files this process may have open, sockets among them (`ulimit -n`); undefined: any number, or it can't be known. */
export function openFilesLimit(): number | undefined {
  known ??= { limit: limitIn(report()) };
  return known.limit;
}

/** A diagnostic report without the names of all peers, for which Node would wait. */
function report(): Report {
  const reporter = process.report as typeof process.report & { excludeNetwork?: boolean }; // Node 20.13; too new for its types
  const { excludeNetwork } = reporter;
  reporter.excludeNetwork = true;
  try {
    return reporter.getReport();
  } finally {
    if (excludeNetwork !== undefined) reporter.excludeNetwork = excludeNetwork;
  }
}

/** A number, or "unlimited"; Windows has none. */
function limitIn({ userLimits }: Report): number | undefined {
  const soft = userLimits?.open_files?.soft;
  return typeof soft === "number" ? soft : undefined;
}
