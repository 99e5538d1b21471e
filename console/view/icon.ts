import { html } from "htm/preact";

const paths = {
  public:
    "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM1.5 8h13M8 1.5c2 1.8 2.8 4 2.8 6.5S10 12.700 8 14.500C6 12.700 5.200 10.500 5.200 8S6 3.300 8 1.500Z",
  open: "M3 8.500 6.500 12 13 4.500",
  locked: "M3.500 7.500h9v6h-9zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500",
  stream:
    "M2 8a6 6 0 0 1 6-6M2 8a6 6 0 0 0 6 6M5 8a3 3 0 0 1 3-3M5 8a3 3 0 0 0 3 3M9 8h5M11.500 5.500 14 8l-2.500 2.500",
  out: "M3 8h10M9 4l4 4-4 4",
  in: "M13 8H3M7 4 3 8l4 4",
  note: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2ZM8 7.500v3.300M8 5.200v.1",
  alert: "M8 2.500 14.500 13.500h-13zM8 6.500v3M8 11.400v.1",
  auto: "M8 2a6 6 0 1 0 0 12zM8 2a6 6 0 0 1 0 12",
  light:
    "M8 5.200a2.800 2.800 0 1 0 0 5.600 2.800 2.800 0 0 0 0-5.600ZM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3.050 3.050l1.060 1.060M11.890 11.890l1.060 1.060M3.050 12.950l1.060-1.060M11.890 4.110l1.060-1.060",
  dark: "M13.500 9.800A5.800 5.800 0 1 1 6.200 2.500a4.700 4.700 0 0 0 7.300 7.300Z",
} as const;

export type IconName = keyof typeof paths;

/** A picture beside words; screen readers skip it. */
export function Icon({ name }: { readonly name: IconName }) {
  return html`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d=${paths[name]} /></svg>`;
}
