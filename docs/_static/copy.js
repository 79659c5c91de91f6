// A copy button on each code block. Of a console session it copies the commands, without prompts and output.
document.addEventListener("DOMContentLoaded", () => {
  for (const block of document.querySelectorAll("div.highlight")) {
    const text = block.querySelector("pre").textContent.trimEnd();
    const commands = text.split("\n").filter((line) => line.startsWith("$ "));
    const button = document.createElement("button");
    button.className = "copy";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      const isConsole = block.closest(".highlight-console") && commands.length;
      await navigator.clipboard.writeText(isConsole ? commands.map((line) => line.slice(2)).join("\n") : text);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    block.append(button);
  }
});
