import { html } from "htm/preact";
import { useRef } from "preact/hooks";

interface SplitterProps {
  readonly label: string;
  /** Height of what is above, in pixels; undefined: as its content needs. */
  readonly height: number | undefined;
  readonly onHeight: (height: number | undefined) => void;
}

const minHeight = 160; // px, of what is above
const minRest = 180; // px, of what is below
const step = 32; // px, for one press of a key

/** Divides a column between what stands above and below it: by pointer, or by the arrow keys. */
export function Splitter({ label, height, onHeight }: SplitterProps) {
  const bar = useRef<HTMLDivElement>(null);
  const [above, below] = [
    () => boxOf(bar.current?.previousElementSibling),
    () => boxOf(bar.current?.nextElementSibling),
  ];
  const whole = () => above().height + below().height;
  const set = (wanted: number) =>
    onHeight(
      Math.floor(Math.min(Math.max(wanted, minHeight), Math.max(minHeight, whole() - minRest))),
    );
  const keys: Readonly<Record<string, () => void>> = {
    ArrowUp: () => set(above().height - step),
    ArrowDown: () => set(above().height + step),
    Home: () => set(minHeight),
    End: () => set(whole()),
    Escape: () => onHeight(undefined),
  };
  const press = (event: KeyboardEvent) => {
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  const grab = (event: PointerEvent) => bar.current?.setPointerCapture(event.pointerId);
  const move = (event: PointerEvent) => {
    if (bar.current?.hasPointerCapture(event.pointerId)) set(event.clientY - above().top);
  };
  return html`<div ref=${bar} class="splitter" role="separator" tabindex="0" aria-orientation="horizontal" aria-label=${label}
    aria-valuenow=${height ?? 0} aria-valuetext=${height === undefined ? "automatic" : `${height} pixels`}
    title="Drag, or press the arrow keys; double-click for automatic"
    onPointerDown=${grab} onPointerMove=${move} onKeyDown=${press} onDblClick=${() => onHeight(undefined)}></div>`;
}

function boxOf(element: Element | null | undefined): {
  readonly top: number;
  readonly height: number;
} {
  return element?.getBoundingClientRect() ?? { top: 0, height: 0 };
}
