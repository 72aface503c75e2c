// Prints the letter; without it the browser's own command does.
"use strict";

const print = document.getElementById("print");
if (print) {
  print.hidden = false;
  document.getElementById("print-hint").hidden = true;
  print.addEventListener("click", () => window.print());
}
