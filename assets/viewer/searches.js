// OHIF's searches for studies, and what it makes of the answers. Runs before OHIF starts.
(function () {
  'use strict';

  var PATIENT_ID = '00100020';
  var MODALITIES_IN_STUDY = '00080061';
  // Text that OHIF searches for, by the names that it uses in a query, and its tag in an answer.
  var TEXTS = { '00100020': PATIENT_ID, PatientName: '00100010', AccessionNumber: '00080050', StudyDescription: '00081030' };
  // Archives read these as lists or separators, or leave them out.
  var MISREAD = /[,&\\%]/g;
  var SEARCH = /\/pacs\/studies\?/;

  // A name as a reader sees or types it: the study list shows `^` as a comma and a blank.
  function words(name) {
    return name.toUpperCase().split(/[\s,^]+/).filter(Boolean);
  }

  function onStudyList() {
    return /^\/ohif-viewer\/?$/.test(window.location.pathname);
  }

  function textOf(study, tag) {
    var values = (study[tag] && study[tag].Value) || [];
    return values
      .map(function (value) {
        return typeof value === 'string' ? value : Object.values(value || {}).join('=');
      })
      .join('\\');
  }

  // A character that would be misread is asked for as any character, and the answers are looked through. So are those
  // about one patient: OHIF's panel "All" asks by the ID as it is, and DICOM has no way to write an asterisk or a
  // question mark that is no wildcard. What a person types into the study list goes out between asterisks.
  function planned(url) {
    var start = url.indexOf('?') + 1;
    var checks = [];
    var query = url
      .slice(start)
      .split('&')
      .map(function (part) {
        var name = part.split('=')[0];
        var wanted = decodeURIComponent(part.slice(name.length + 1));
        var tag = TEXTS[name];
        if (!tag || !wanted) {
          return part;
        }
        var typed = onStudyList() && wanted.match(/^\*(.+)\*$/);
        if (name === 'PatientName' && typed && /[\s,^]/.test(typed[1]) && !/[*?]/.test(typed[1])) {
          checks.push(function (study) {
            return words(textOf(study, tag)).join(' ').indexOf(words(typed[1]).join(' ')) >= 0;
          });
          return name + '=' + encodeURIComponent('*' + words(typed[1]).join('*').replace(MISREAD, '?') + '*');
        }
        if (tag === PATIENT_ID && !typed) {
          checks.push(function (study) {
            return textOf(study, tag) === wanted;
          });
        } else if (typed && wanted.search(MISREAD) >= 0 && !/[*?]/.test(typed[1])) {
          checks.push(function (study) {
            return textOf(study, tag).toUpperCase().indexOf(typed[1].toUpperCase()) >= 0;
          });
        }
        return name + '=' + encodeURIComponent(wanted.replace(MISREAD, '?'));
      });
    return { url: url.slice(0, start) + query.join('&'), checks: checks };
  }

  function corrected(studies, checks) {
    if (!Array.isArray(studies)) {
      return studies;
    }
    studies.forEach(function (study) {
      var modalities = study[MODALITIES_IN_STUDY];
      // An attribute without a value has no `Value` (PS3.18, F.2.5). OHIF reads its length, and shows no study at all.
      if (modalities && !modalities.Value) {
        modalities.Value = [];
      }
    });
    return studies.filter(function (study) {
      return checks.every(function (holds) {
        return holds(study);
      });
    });
  }

  function correctedText(text, checks) {
    try {
      return JSON.stringify(corrected(JSON.parse(text), checks));
    } catch (error) {
      return text;
    }
  }

  function correct(request, checks) {
    ['response', 'responseText'].forEach(function (name) {
      var original = Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, name).get;
      Object.defineProperty(request, name, {
        configurable: true,
        get: function () {
          var answer = original.call(request);
          if (request.readyState !== XMLHttpRequest.DONE || request.status !== 200 || !answer) {
            return answer;
          }
          return typeof answer === 'string' ? correctedText(answer, checks) : corrected(answer, checks);
        },
      });
    });
  }

  var open = XMLHttpRequest.prototype.open;
  XMLHttpRequest.prototype.open = function (method, url) {
    if (method.toUpperCase() === 'GET' && SEARCH.test(url)) {
      var plan = planned(String(url));
      correct(this, plan.checks);
      arguments[1] = plan.url;
    }
    return open.apply(this, arguments);
  };
})();
