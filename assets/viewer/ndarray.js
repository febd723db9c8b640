// The classes of the library `ndarray` without functions from text.
//
// OHIF reads segmentations with `ndarray`, which writes the code of a class for each element type and number of
// dimensions and makes a function of it. The page's policy forbids functions from text, and a browser's means to admit
// some (W3C, "Trusted Types") admit all of them in others. So this answers for `Function` where `ndarray` (read: 1.1.1,
// `compileConstructor`) calls it, with a class that does the same for every number of dimensions. Any other text goes
// to the browser, which refuses it.
(function () {
  'use strict';

  var CODE = /return function construct_View(_Nil|\d+d)(\w+)\([\w,]*\)\{return new View\1\2\([^{}]*\);?\}$/;

  function given(value) {
    return typeof value === 'number' && value >= 0;
  }

  // `constructors[n + 1]` makes a view of n dimensions; `constructors[0]` an array without elements.
  function viewClass(type, dimension, constructors) {
    function View(data, shape, stride, offset) {
      this.data = data;
      this.shape = shape;
      this.stride = stride;
      this.offset = offset | 0;
    }

    function ofShape(view, shape, stride, offset) {
      return new View(view.data, shape, stride, offset);
    }

    View.prototype = {
      constructor: View,
      dtype: type,
      dimension: dimension,
      get size() {
        return this.shape.reduce(function (product, length) {
          return product * length;
        }, 1);
      },
      // The dimensions by the distance of their elements, the closest first.
      get order() {
        var stride = this.stride;
        return stride
          .map(function (_, axis) {
            return axis;
          })
          .sort(function (a, b) {
            return Math.abs(stride[a]) - Math.abs(stride[b]);
          });
      },
      index: function () {
        var at = this.offset;
        for (var axis = 0; axis < dimension; axis++) {
          at += this.stride[axis] * arguments[axis];
        }
        return at;
      },
      get: function () {
        var at = this.index.apply(this, arguments);
        return type === 'generic' ? this.data.get(at) : this.data[at];
      },
      set: function () {
        var at = this.index.apply(this, arguments);
        var value = arguments[dimension];
        return type === 'generic' ? this.data.set(at, value) : (this.data[at] = value);
      },
      hi: function () {
        var ends = arguments;
        var shape = this.shape.map(function (length, axis) {
          return given(ends[axis]) ? ends[axis] | 0 : length;
        });
        return ofShape(this, shape, this.stride.slice(), this.offset);
      },
      lo: function () {
        var starts = Array.prototype.map.call(arguments, function (start) {
          return given(start) ? start | 0 : 0;
        });
        var shape = this.shape.map(function (length, axis) {
          return length - (starts[axis] || 0);
        });
        var offset = this.stride.reduce(function (sum, stride, axis) {
          return sum + stride * (starts[axis] || 0);
        }, this.offset);
        return ofShape(this, shape, this.stride.slice(), offset);
      },
      // A negative step reads a dimension from its end.
      step: function () {
        var shape = this.shape.slice();
        var stride = this.stride.slice();
        var offset = this.offset;
        for (var axis = 0; axis < dimension; axis++) {
          if (typeof arguments[axis] === 'number') {
            var step = arguments[axis] | 0;
            if (step < 0) {
              offset += stride[axis] * (shape[axis] - 1);
            }
            shape[axis] = Math.ceil(shape[axis] / Math.abs(step));
            stride[axis] *= step;
          }
        }
        return ofShape(this, shape, stride, offset);
      },
      transpose: function () {
        var axes = arguments;
        function permuted(values) {
          return values.map(function (_, axis) {
            return values[axes[axis] === undefined ? axis : axes[axis] | 0];
          });
        }
        return ofShape(this, permuted(this.shape), permuted(this.stride), this.offset);
      },
      pick: function () {
        if (dimension === 0) {
          return constructors[0](this.data);
        }
        var shape = [];
        var stride = [];
        var offset = this.offset;
        for (var axis = 0; axis < dimension; axis++) {
          if (given(arguments[axis])) {
            offset = (offset + this.stride[axis] * arguments[axis]) | 0;
          } else {
            shape.push(this.shape[axis]);
            stride.push(this.stride[axis]);
          }
        }
        return constructors[shape.length + 1](this.data, shape, stride, offset);
      }
    };
    if (dimension === 0) {
      View.prototype.valueOf = View.prototype.get;
    }
    return function (data, shape, stride, offset) {
      return new View(data, Array.from(shape).slice(0, dimension), Array.from(stride).slice(0, dimension), offset);
    };
  }

  function emptyClass(type) {
    function Empty(data) {
      this.data = data;
    }
    function copy() {
      return new Empty(this.data);
    }
    function nothing() {}
    Object.assign(Empty.prototype, { dtype: type, dimension: -1, size: 0, shape: [], stride: [], order: [] });
    Object.assign(Empty.prototype, { lo: copy, hi: copy, transpose: copy, step: copy, get: nothing, set: nothing });
    Empty.prototype.index = function () {
      return -1;
    };
    Empty.prototype.pick = function () {
      return null;
    };
    return function (data) {
      return new Empty(data);
    };
  }

  // The function that `ndarray` would have made of this text; undefined for any other text.
  function fromText(text) {
    var named = CODE.exec(text);
    if (!named) {
      return undefined;
    }
    if (named[1] === '_Nil') {
      return function () {
        return emptyClass(named[2]);
      };
    }
    var dimension = parseInt(named[1], 10);
    return function (given) {
      // Without dimensions it is handed the constructor of the empty array, otherwise the list of all.
      return viewClass(named[2], dimension, dimension === 0 ? [given] : given);
    };
  }

  function construct(target, args, newTarget) {
    return fromText(String(args[args.length - 1])) || Reflect.construct(target, args, newTarget || target);
  }

  globalThis.Function = new Proxy(Function, {
    construct: construct,
    apply: function (target, _, args) {
      return construct(target, args);
    }
  });
  Function.prototype.constructor = globalThis.Function;
})();
