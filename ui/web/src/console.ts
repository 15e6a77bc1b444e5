// What every page needs of script. Pages are whole without it, but do not change by themselves.
import { forgetWhatWasSaid } from "./address";
import { copyOnClick } from "./copy";
import { openDialogs } from "./dialogs";
import { live } from "./live";
import { loginFromLink } from "./login";
import { palette } from "./palette";
import { chooseTheme } from "./theme";
import { tellTime } from "./time";

forgetWhatWasSaid();
live();
chooseTheme();
copyOnClick();
openDialogs();
tellTime();
palette();
loginFromLink();
// On a phone the tabs are wider than the screen: the current one is what a person looks for.
document.querySelector(".tabs [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
