// As the archive's own pages do: the API by an absolute path.
fetch('/dcm4chee-arc/aets')
  .then((answer) => answer.json())
  .then((entities) => {
    document.getElementById('entities').textContent = entities.map((it) => it.dicomAETitle).join(', ');
  });
