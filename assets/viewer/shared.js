// A study shown by a share link: all that OHIF asks for is below the link's own path.
(function () {
  'use strict';

  var share = window.location.pathname.match(/^\/shared\/[0-9a-f]{16}/)[0];
  var source = window.config.dataSources[0].configuration;

  ['wadoUriRoot', 'qidoRoot', 'wadoRoot'].forEach(function (root) {
    source[root] = share + source[root];
  });
  window.config.routerBasename = share;
  window.config.showStudyList = false;
  window.config.ohifPulumi.share = share;
})();
