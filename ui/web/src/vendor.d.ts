declare module "htmx-ext-sse";

declare module "idiomorph" {
  interface MorphOptions {
    morphStyle?: "innerHTML" | "outerHTML";
    ignoreActiveValue?: boolean;
    callbacks?: {
      beforeAttributeUpdated?: (name: string, node: Element, kind: "update" | "remove") => boolean | void;
    };
  }
  export const Idiomorph: { morph(target: Element, content: unknown, options?: MorphOptions): Node[] };
}

declare module "*.css";
